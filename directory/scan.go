//go:build unix

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Scan looks at the whole directory. It fails if the directory cannot be listed
// or the archive not be read for lack of resources or rights, and nothing good
// is known from before; single bad files are Problems.
//
// The order is what makes it exact: archive, files, archive again. A file that
// vanishes in between was absorbed by a generation of the archive that we would
// not have; then all is done again.
func (d *Directory) Scan(ctx context.Context) (*View, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range scanTries {
		v, settled, err := d.scanOnce(ctx)
		if settled || err != nil {
			return v, err
		}
	}
	return d.scanLocked(ctx)
}

const (
	// scanTries is how often commits may come in between before the scan asks
	// the archiver to wait.
	scanTries = 3
	// commitWait bounds how long a scan waits for a commit to end.
	commitWait = 2 * time.Second
)

// scanLocked scans while no archiver can commit.
func (d *Directory) scanLocked(ctx context.Context) (*View, error) {
	waiting, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	lock, err := LockDir(waiting, d.HiddenDir(), true)
	if err != nil {
		return nil, fmt.Errorf("the archive keeps changing: %w", err)
	}
	defer lock.Unlock()
	v, settled, err := d.scanOnce(ctx)
	if err == nil && !settled {
		err = fmt.Errorf("the archive in %s changes without its lock", d.HiddenDir())
	}
	return v, err
}

// scanOnce reports settled if no commit came in between.
func (d *Directory) scanOnce(ctx context.Context) (v *View, settled bool, err error) {
	v = &View{labels: d.o.Labels, archivePath: d.ArchivePath()}
	if v.onDisk, err = d.readArchive(v); err != nil {
		return nil, false, err
	}
	l := &listing{d: d, v: v, found: make(map[string]*tracked), absorbed: v.Archive.AbsorbedIDs()}
	if err := l.list(ctx); err != nil {
		d.discard(l.found)
		return nil, false, err
	}
	// With what was exposed before, a file that cannot be opened now costs no
	// more than its news. With nothing, a part would pass for the whole.
	if v.exhausted != nil && !d.scanned {
		d.discard(l.found)
		return nil, false, v.exhausted
	}
	if !v.ArchiveCurrent() {
		d.discard(l.found)
		return nil, false, nil
	}
	l.replaceVanished()
	d.files, d.scanned = l.found, true
	d.update(v)
	return v, true, nil
}

// discard lets go of files that were opened for a scan that came to nothing.
func (d *Directory) discard(found map[string]*tracked) {
	for path, f := range found {
		d.releaseNew(path, f)
	}
}

// readArchive brings the last good archive up to date, and returns the stamp of
// the one on disk, zero if there is none that can be read.
func (d *Directory) readArchive(v *View) (stamp, error) {
	v.Archive = d.archive
	on, err := readStamp(d.ArchivePath())
	if err == nil && on == (stamp{}) {
		// None. If there was one, others removed it; what it held was exposed
		// and stays, and the next commit writes it again.
		return on, nil
	}
	if err == nil && on != d.stamp {
		var a *aggregate.Archive
		if a, err = ReadArchive(d.ArchivePath()); err == nil {
			d.archive, d.stamp = a, stamp{a.Generation, a.ID}
		}
	}
	if err != nil {
		return on, d.tolerate(v, err)
	}
	v.Archive, v.ArchiveOnDisk = d.archive, true
	return d.stamp, nil
}

// tolerate decides whether a scan can go on without the archive on disk: with
// the last good one always, without any only if waiting would not help.
func (d *Directory) tolerate(v *View, err error) error {
	v.ArchiveErr = err
	v.Problems = append(v.Problems, Problem{d.ArchivePath(), err})
	if d.stamp != (stamp{}) || Damaged(err) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, mmapstore.ErrVersion) || errors.Is(err, mmapstore.ErrByteOrder) {
		return nil
	}
	return fmt.Errorf("archive of %s: %w", d.path, err)
}

// releaseNew lets go of a file that was just opened, unless it was open before.
func (d *Directory) releaseNew(path string, f *tracked) {
	if d.files[path] != f {
		f.release()
	}
}

// update probes and refreshes the files and lists them in the view.
func (d *Directory) update(v *View) {
	all := make([]*tracked, 0, len(d.files)+len(d.orphans))
	all = slices.AppendSeq(all, maps.Values(d.files))
	all = slices.AppendSeq(all, maps.Values(d.orphans))
	slices.SortFunc(all, byBirth)
	for _, f := range all {
		f.seen = d.archive.Generation
		damage := f.update()
		if damage != nil {
			v.Problems = append(v.Problems, Problem{f.path, damage})
		}
		if f.verdict.State == mmapstore.Dead {
			d.o.Identities.Release(f.id())
		}
		f.refs.Add(1)
		v.Files = append(v.Files, &File{
			file: f, verdict: f.verdict, labels: d.o.Labels, damage: damage, orphan: f.orphan,
		})
	}
	for _, f := range v.Files { // after all releases: a restart takes over the identity
		f.identity = f.file.reader.Header().Identity
		if f.verdict.State != mmapstore.Dead {
			f.identity = d.o.Identities.Assign(f.ID(), f.identity)
		}
	}
}
