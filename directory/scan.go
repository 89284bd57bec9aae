//go:build unix

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
func (d *Directory) Scan(ctx context.Context) (*View, error) { return d.scan(ctx, false) }

// ScanNative is Scan for an archiver, which looks at files of stock clients one by
// one: there may be more of them than can be open at a time. The view has those
// alone of them that lost their name.
func (d *Directory) ScanNative(ctx context.Context) (*View, error) { return d.scan(ctx, true) }

func (d *Directory) scan(ctx context.Context, nativeOnly bool) (*View, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range scanTries {
		v, settled, err := d.scanOnce(ctx, nativeOnly)
		if settled || err != nil {
			return v, err
		}
	}
	return d.scanLocked(ctx, nativeOnly)
}

const (
	// scanTries is how often commits may come in between before the scan asks
	// the archiver to wait.
	scanTries = 3
	// commitWait bounds how long a scan waits for a commit to end.
	commitWait = 2 * time.Second
)

// scanLocked scans while no archiver can commit. Somebody who means ill may change
// the archive without its lock, or take the directory away that is locked: then it
// goes on trying for as long as it would wait for a commit.
func (d *Directory) scanLocked(ctx context.Context, nativeOnly bool) (*View, error) {
	waiting, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	for {
		v, settled, err := d.tryLocked(ctx, waiting, nativeOnly)
		if settled || err != nil {
			return v, err
		}
		if waiting.Err() != nil {
			return nil, fmt.Errorf("the archive in %s changes without its lock", d.HiddenDir())
		}
	}
}

func (d *Directory) tryLocked(ctx, waiting context.Context, nativeOnly bool) (v *View, settled bool, err error) {
	lock, err := d.LockCommits(waiting, true)
	switch {
	case err == nil:
		defer lock.Unlock()
	case !notDirectory(err):
		return nil, false, fmt.Errorf("the archive keeps changing: %w", err)
	}
	return d.scanOnce(ctx, nativeOnly)
}

// scanOnce reports settled if no commit came in between.
func (d *Directory) scanOnce(ctx context.Context, nativeOnly bool) (v *View, settled bool, err error) {
	v = &View{Edition: Edition{path: d.ArchivePath(), open: d.openRegular}, labels: d.o.Labels, overrides: d.overrides.Load(), nativeOnly: nativeOnly}
	defer func() {
		if !settled {
			v.Close()
			v = nil
		}
	}()
	if !nativeOnly {
		d.lockForeign(ctx, v)
	}
	if v.onDisk, err = d.readArchive(v); err != nil {
		return v, false, err
	}
	l := d.scratch.begin(d, v)
	defer l.end()
	if err := l.list(ctx); err != nil {
		d.discard(l.found)
		return v, false, err
	}
	// With what was exposed before, a file that cannot be opened now costs no
	// more than its news. With nothing, a part would pass for the whole.
	if v.exhausted != nil && !d.scanned {
		d.discard(l.found)
		return v, false, v.exhausted
	}
	if !v.Current() {
		d.discard(l.found)
		return v, false, nil
	}
	l.replaceVanished()
	d.files, l.found = l.found, d.files
	d.scanned = d.scanned || !nativeOnly
	d.update(v)
	d.scratch.shrink(d)
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
	on, err := readStamp(v.path, v.open)
	if err == nil && on == (stamp{}) {
		// None. If there was one, others removed it; what it held was exposed
		// and stays, and the next commit writes it again.
		return on, nil
	}
	if err == nil && on != d.stamp {
		var a *aggregate.Archive
		if a, err = readArchive(v.path, v.open); err == nil {
			if a.Generation < d.stamp.generation { // a new one, whose numbers begin again
				d.forgetGenerations()
			}
			a.Succeed(d.archive, time.Now())
			d.archive, d.stamp = a, stamp{a.Generation, a.ID}
		}
	}
	if err != nil {
		return on, d.tolerate(v, err)
	}
	v.Archive, v.ArchiveOnDisk = d.archive, true
	return d.stamp, nil
}

// forgetGenerations makes every file one that was last seen before there was an
// archive.
func (d *Directory) forgetGenerations() {
	for _, f := range d.files {
		f.seen = 0
	}
	for _, f := range d.orphans {
		f.seen = 0
	}
}

// tolerate decides whether a scan can go on without the archive on disk: with
// the last good one always, without any only if waiting would not help.
func (d *Directory) tolerate(v *View, err error) error {
	v.ArchiveErr = err
	v.Problems = append(v.Problems, Problem{v.path, err})
	if d.stamp != (stamp{}) || Damaged(err) || notDirectory(err) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, mmapstore.ErrVersion) || errors.Is(err, mmapstore.ErrByteOrder) || errors.Is(err, mmapstore.ErrLimit) {
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
