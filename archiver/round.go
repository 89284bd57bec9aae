//go:build unix

package archiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// runRound finds the dead, folds them and sweeps. The caller holds round and the
// lock on the directory.
func (a *Archiver) runRound(ctx context.Context) error {
	defer a.note(func(s *Stats) { s.LastRound = time.Now() })
	v, err := a.look(ctx)
	if v == nil {
		return err
	}
	defer v.Close()
	a.expected.take(v, a.o.Fold)
	a.keepRoom(v.Archive) // while there is some: at the first death there may be none
	more, err := a.fold(ctx, v)
	for more && err == nil { // what is gone makes room once nobody has it open
		v.Close()
		if v, err = a.look(ctx); v == nil {
			return err
		}
		defer v.Close()
		more, err = a.fold(ctx, v)
	}
	return errors.Join(err, a.unlink(v.Absorbed), a.sweep(v.Unborn), a.foldStock(ctx, v.Edition))
}

// look scans, and makes sure that there may be a commit on what it finds: nil if not,
// or if there is nothing to archive.
func (a *Archiver) look(ctx context.Context) (*directory.View, error) {
	v, err := a.d.ScanNative(ctx)
	if err != nil {
		return nil, err
	}
	if v.Missing {
		v.Close()
		return nil, nil
	}
	a.o.step(StepScanned)
	if hope, err := a.makeHidden(ctx, v.Edition); err != nil || hope {
		v.Close()
		return nil, err
	}
	if directory.Damaged(v.ArchiveErr) {
		v.Close()
		a.o.Logger.Error("The archive is damaged and is set aside", "err", v.ArchiveErr)
		if err := a.setAside(a.d.ArchivePath()); err != nil {
			return nil, err
		}
		if v, err = a.d.ScanNative(ctx); err != nil {
			return nil, err
		}
	}
	// One of a newer version is left alone, and so is everything else.
	if err := v.ArchiveErr; err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.Close()
		return nil, fmt.Errorf("standing by: %w", err)
	}
	return v, nil
}

// makeHidden makes the directories for the archive and for files set aside, which
// as a rule are one. If there is no room, it makes some; hope means that this
// takes its time.
func (a *Archiver) makeHidden(ctx context.Context, e directory.Edition) (hope bool, err error) {
	err = a.makeDir(a.d.HiddenDir())
	if noRoom(err) {
		hope, failed := a.makeRoom(ctx, e)
		if err = a.makeDir(a.d.HiddenDir()); err != nil && hope && failed == nil {
			a.noteFull(err)
			return true, nil
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		return false, fmt.Errorf("make the archive's directory: %w", withRemedy(err))
	}
	a.noteFull(nil)
	if err := a.makeDir(a.d.AsideDir()); err != nil && !noRoom(err) {
		return false, fmt.Errorf("make the directory for files set aside: %w", err)
	}
	return false, nil
}

// noteFull says once that there is no room.
func (a *Archiver) noteFull(err error) {
	was := a.Stats().Full
	a.note(func(s *Stats) { s.Full = err != nil })
	if err != nil && !was {
		a.o.Logger.Warn("The directory is full: removing files of dead processes that need no archive", "err", err)
	}
}

// withRemedy says what helps against a lack of room.
func withRemedy(err error) error {
	if !noRoom(err) {
		return err
	}
	return fmt.Errorf("%w; free some room, or keep the archive on another file system (--archive.dir)", err)
}

// makeDir makes a directory of ours. The application owns the main directory, so
// its mode is the example, whatever the umask.
func (a *Archiver) makeDir(path string) error {
	info, err := os.Stat(a.d.Path())
	if err != nil {
		return err
	}
	if there, err := a.d.HasDir(path); there || err != nil {
		return err
	}
	if filepath.Dir(path) != a.d.Path() { // which is not ours to make, should it go now
		if err := os.MkdirAll(filepath.Dir(path), info.Mode().Perm()); err != nil {
			return err
		}
	}
	unnamed, mode := path+unnamedSuffix, modeLike(info)
	if err := a.d.Mkdir(unnamed, mode); err == nil {
		a.o.step(StepDirMade)
	} else if !errors.Is(err, fs.ErrExist) { // one that was killed may have come as far
		return err
	}
	if err := a.openFor(unnamed, mode); err != nil {
		return err
	}
	if err := a.d.Rename(unnamed, path); err != nil {
		return err
	}
	a.o.step(StepDirNamed)
	return nil
}

// modeLike is the mode of our own directory in one of the mode: who may read or
// write there may here, in the same group, except that what everybody may write to
// is not everybody's to archive.
func modeLike(dir os.FileInfo) fs.FileMode {
	return dir.Mode() & (fs.ModePerm | fs.ModeSetgid | fs.ModeSticky) &^ 0o002
}

// openFor gives a directory that we have made its mode.
func (a *Archiver) openFor(path string, mode fs.FileMode) error {
	made, err := a.d.OpenDir(path)
	if err != nil {
		return err
	}
	defer made.Close()
	st, err := made.Stat()
	if err != nil || st.Mode()&^fs.ModeDir == mode {
		return err
	}
	if err := made.Chmod(mode); err != nil {
		return err
	}
	a.o.step(StepDirOpened)
	return nil
}

// unnamedSuffix ends the name of a directory that is being made.
const unnamedSuffix = ".new"

// fold archives what is dead in the view: all at once or, where room is scarce,
// some, and there are more.
func (a *Archiver) fold(ctx context.Context, v *directory.View) (more bool, err error) {
	d := chooseDead(v.Files)
	// An archive that others removed or damaged is written again from memory. And
	// the first one is written before anybody dies, if that is no hardship: once
	// there are two files to exchange, no commit needs another.
	must := !v.ArchiveOnDisk && (v.Archive.Generation > 0 || a.roomy())
	options := a.foldOptions(v)
	if len(d.absorb) == 0 && !must && !mayForget(v, options) {
		return false, d.unread
	}
	for n := len(d.absorb); ; {
		left, err := a.foldSome(ctx, v, d, n, options, must)
		if fewer := a.fewer(err, n); fewer > 0 {
			n = min(fewer, n)
			continue
		}
		return err == nil && n < len(d.absorb), errors.Join(d.unread, left, err)
	}
}

// fewer is how many files to try next, after a fold of n failed for lack of room,
// or of descriptors; 0 if it did not, or if there is nothing to try.
func (a *Archiver) fewer(err error, n int) int {
	switch {
	case noRoom(err) && a.pruneDamaged(a.d.HiddenDir(), 0, 0):
		return max(n, 1)
	case scarce(err) && n > 1:
		return n / 2
	}
	return 0
}

// roomy reports whether archive and spare are far from taking the last room.
func (a *Archiver) roomy() bool {
	free, err := freeBytes(a.d.HiddenDir())
	return err == nil && free > 4*roomFor(a.expected.size())
}

// foldSome commits an archive that holds the first n of the dead, and removes them;
// left is why some could not be removed.
func (a *Archiver) foldSome(
	ctx context.Context, v *directory.View, d *departed, n int, o aggregate.FoldOptions, must bool,
) (left, err error) {
	absorb := make(map[mmapstore.ID]bool, n)
	for _, f := range d.absorb[:n] {
		absorb[f.ID()] = true
	}
	next, changed, err := aggregate.Fold(v.Archive, d.sources, absorb, o)
	if err != nil {
		return nil, fmt.Errorf("fold: %w", err)
	}
	if !changed && !must || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	a.o.step(StepFolded)
	if err := a.commit(v.Edition, next); err != nil {
		return nil, err
	}
	v.Edition = v.Next(next)
	a.d.Committed(next)
	left = a.unlinkAbsorbed(d.absorb[:n], d.cut)
	a.o.step(StepCommitted)
	a.keepRoom(next)
	return left, nil
}

// foldOptions keeps the ids of absorbed files that we failed to remove.
func (a *Archiver) foldOptions(v *directory.View) aggregate.FoldOptions {
	o := a.o.Fold
	o.KeepAllIDs = v.Unopened > 0
	o.Partial = v.Stock // which may show what native files have deleted
	o.Lingering = make(map[mmapstore.ID]bool, len(v.Absorbed))
	for _, f := range v.Absorbed {
		o.Lingering[f.ID] = true
	}
	return o
}

// mayForget reports whether a fold could change the archive without a death:
// series were deleted, gauges or ids may have outlived their time.
func mayForget(v *directory.View, o aggregate.FoldOptions) bool {
	if v.Archive.Expires(o) {
		return true
	}
	for _, f := range v.Files {
		if len(f.Schema().Tombstones) > 0 {
			return true
		}
	}
	return false
}

// unlinkAbsorbed removes what the archive holds now. A file that was damaged is
// set aside instead: what could not be read of it may matter to somebody.
func (a *Archiver) unlinkAbsorbed(files []*directory.File, cut map[mmapstore.ID]error) error {
	var errs []error
	for _, f := range files {
		a.note(func(s *Stats) { s.Absorbed++ })
		switch {
		case f.Orphan():
		case f.Damage() != nil || cut[f.ID()] != nil:
			a.o.Logger.Warn("The file of a dead process is damaged: archived what could be read, and set it aside",
				"file", f.Path(), "err", cmp.Or(f.Damage(), cut[f.ID()]))
			errs = append(errs, a.setAside(f.Path()))
		default:
			errs = append(errs, a.unlinkOne(f.Path()))
		}
	}
	return some(errs)
}

func (a *Archiver) unlinkOne(path string) error {
	err := a.remove(path)
	if err == nil {
		a.o.step(StepUnlinked)
	}
	return err
}

// unlink removes files that an earlier archiver absorbed and did not live to
// remove.
func (a *Archiver) unlink(files []directory.AbsorbedFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, a.remove(f.Path))
		a.o.step(StepLeftover)
	}
	return some(errs)
}

func (a *Archiver) remove(path string) error {
	if err := a.d.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an absorbed file: %w", err)
	}
	return nil
}

// unbornAge is how old a temporary file must be before it is an orphan of a
// process that died at birth.
const unbornAge = time.Minute

func (a *Archiver) sweep(paths []string) error {
	var errs []error
	for _, path := range paths {
		abandoned, err := mmapstore.Abandoned(path, unbornAge)
		if err == nil && abandoned {
			if err = a.d.Remove(path); err == nil {
				a.note(func(s *Stats) { s.Swept++ })
				a.o.step(StepSwept)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweep: %w", err))
		}
	}
	return some(errs)
}
