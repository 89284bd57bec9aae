//go:build unix

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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
	found, err := d.list(ctx, v)
	if err != nil {
		d.discard(found)
		return nil, false, err
	}
	if !v.ArchiveCurrent() {
		d.discard(found)
		return nil, false, nil
	}
	d.replaceVanished(found)
	d.files = found
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

// list opens what is new and returns the files that are there, by path.
func (d *Directory) list(ctx context.Context, v *View) (map[string]*tracked, error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		v.Missing = true
		return map[string]*tracked{}, nil
	}
	if err != nil {
		if len(d.files) == 0 {
			return nil, fmt.Errorf("list the directory: %w", err)
		}
		v.Problems = append(v.Problems, Problem{d.path, err})
		return d.files, nil // what was there a moment ago
	}
	l := listing{found: make(map[string]*tracked, len(entries)), absorbed: v.Archive.AbsorbedIDs(), v: v}
	for _, e := range entries {
		if ctx.Err() != nil {
			return l.found, ctx.Err()
		}
		path := filepath.Join(d.path, e.Name())
		switch {
		case mmapstore.IsTempName(e.Name()):
			v.Unborn = append(v.Unborn, path)
		case mmapstore.IsFileName(e.Name()):
			if f := d.at(path, v); f != nil && !l.take(path, f) {
				d.releaseNew(path, f)
			}
		}
	}
	return l.found, nil
}

// listing is the state of one list.
type listing struct {
	found    map[string]*tracked
	ids      map[mmapstore.ID]bool
	absorbed map[mmapstore.ID]bool
	v        *View
}

// take takes a file into the listing, unless it counts elsewhere already: in
// the archive, or under another name.
func (l *listing) take(path string, f *tracked) bool {
	id := f.id()
	switch {
	case l.absorbed[id]:
		l.v.Absorbed = append(l.v.Absorbed, AbsorbedFile{path, id})
		return false
	case l.ids[id]:
		err := fmt.Errorf("id %v of another file: %w", id, mmapstore.ErrMalformed)
		l.v.Problems = append(l.v.Problems, Problem{path, err})
		return false
	}
	if l.ids == nil {
		l.ids = make(map[mmapstore.ID]bool)
	}
	l.ids[id] = true
	l.found[path] = f
	return true
}

// releaseNew lets go of a file that was just opened, unless it was open before.
func (d *Directory) releaseNew(path string, f *tracked) {
	if d.files[path] != f {
		f.release()
	}
}

// at is the file at path: the open one, if the name still leads to it.
func (d *Directory) at(path string, v *View) *tracked {
	known := d.files[path]
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // went away since the listing
	}
	if err == nil && known != nil && os.SameFile(info, known.info) {
		return known
	}
	f, err := d.open(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			v.Problems = append(v.Problems, Problem{path, err})
			if mmapstore.Reason(err) == "io" {
				v.Unopened++ // it may open next time, and be one that was absorbed
			}
		}
		return nil
	}
	return f
}

func (d *Directory) open(path string) (*tracked, error) {
	r, err := mmapstore.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := r.File().Stat()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	f := &tracked{reader: r, info: info, path: path}
	f.refs.Store(1)
	return f, nil
}

// replaceVanished lets go of the files that are not found any more. Those that
// the archive holds are done with. The others were removed by somebody else, and
// their counts, which were exposed, are kept as long as their descriptor is.
func (d *Directory) replaceVanished(found map[string]*tracked) {
	absorbed := d.archive.AbsorbedIDs()
	for path, f := range d.files {
		if found[path] == f {
			continue
		}
		// An archiver may have absorbed the file and forgotten the id since we
		// saw it. Then we cannot tell, and must not count twice.
		if absorbed[f.id()] || d.archive.Horizon > f.seen+1 {
			d.drop(f)
			continue
		}
		f.orphan = true
		d.orphans[f.id()] = f
	}
	for id, f := range d.orphans {
		if absorbed[id] || !d.o.Archiving && f.verdict.State == mmapstore.Dead {
			d.drop(f)
			delete(d.orphans, id)
		}
	}
}

// update probes and refreshes the files and lists them in the view.
func (d *Directory) update(v *View) {
	all := make([]*tracked, 0, len(d.files)+len(d.orphans))
	for _, f := range d.files {
		f.seen = d.archive.Generation
		all = append(all, f)
	}
	all = slices.AppendSeq(all, maps.Values(d.orphans))
	slices.SortFunc(all, byBirth)
	for _, f := range all {
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
