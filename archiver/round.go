//go:build unix

package archiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// runRound finds the dead, folds them and sweeps. The caller holds round and the
// lock on the directory.
func (a *Archiver) runRound(ctx context.Context) error {
	defer a.note(func(s *Stats) { s.LastRound = time.Now() })
	v, err := a.d.ScanNative(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	if v.Missing {
		return nil
	}
	if hope, err := a.makeHidden(ctx, v.Edition); err != nil || hope {
		return err
	}
	if directory.Damaged(v.ArchiveErr) {
		a.o.Logger.Error("The archive is damaged and is set aside", "err", v.ArchiveErr)
		if err := a.setAside(a.d.ArchivePath()); err != nil {
			return err
		}
		v.Close()
		if v, err = a.d.ScanNative(ctx); err != nil {
			return err
		}
		defer v.Close()
	}
	// One of a newer version is left alone, and so is everything else.
	if err := v.ArchiveErr; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("standing by: %w", err)
	}
	a.prepareSpare() // while there is room: at the first death there may be none
	err = a.fold(ctx, v)
	return errors.Join(err, a.unlink(v.Absorbed), a.sweep(v.Unborn), a.foldStock(ctx, v.Edition))
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
// its mode is the example.
func (a *Archiver) makeDir(path string) error {
	info, err := os.Stat(a.d.Path())
	if err != nil {
		return err
	}
	mkdir := os.MkdirAll
	if filepath.Dir(path) == filepath.Clean(a.d.Path()) {
		mkdir = os.Mkdir // the directory itself is not ours to make, should it go now
	}
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	err = mkdir(path, info.Mode().Perm())
	if err == nil {
		err = os.Chmod(path, info.Mode().Perm()) // whatever the umask
	}
	return err
}

// setAside renames a damaged file, so that it is in nobody's way and can be
// looked into.
func (a *Archiver) setAside(path string) error {
	name := directory.DamagedPrefix + strings.TrimPrefix(filepath.Base(path), directory.DamagedPrefix)
	err := os.Rename(path, filepath.Join(a.d.HiddenDir(), name))
	if errors.Is(err, unix.EXDEV) { // the archive is on another file system
		err = os.Rename(path, filepath.Join(filepath.Dir(path), name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	a.note(func(s *Stats) { s.SetAside++ })
	return nil
}

// fold archives what is dead in the view.
func (a *Archiver) fold(ctx context.Context, v *directory.View) error {
	sources, absorb, unread := chooseDead(v.Files)
	// An archive that others removed or damaged is written again from memory.
	lost := !v.ArchiveOnDisk && v.Archive.Generation > 0
	options := a.foldOptions(v)
	if len(absorb) == 0 && !lost && !mayForget(v, options) {
		return unread
	}
	next, changed, err := aggregate.Fold(v.Archive, sources, absorb, options)
	if err != nil {
		return fmt.Errorf("fold: %w", err)
	}
	if !changed && !lost || ctx.Err() != nil {
		return errors.Join(unread, ctx.Err())
	}
	a.o.step(StepFolded)
	if err := a.commit(v.Edition, next); err != nil {
		return err
	}
	v.Edition = v.Next(next)
	err = a.unlinkAbsorbed(v.Files, absorb)
	a.o.step(StepCommitted)
	a.prepareSpare()
	return errors.Join(unread, err)
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

// chooseDead freezes the values of the dead, so that what is folded is what was
// read, and names whom to absorb. Files that cannot be read wait; unread names
// them.
func chooseDead(files []*directory.File) (sources []aggregate.Source, absorb map[mmapstore.ID]bool, unread error) {
	absorb = make(map[mmapstore.ID]bool)
	var errs []error
	for _, f := range files {
		if f.Verdict().State != mmapstore.Dead || f.Orphan() && !f.Native() && !f.Nameless() {
			sources = append(sources, f)
			continue
		}
		frozen, err := aggregate.Freeze(f)
		if err != nil {
			errs = append(errs, fmt.Errorf("leaving the file of a dead process: %w", err))
			sources = append(sources, f)
			continue
		}
		sources = append(sources, frozen)
		absorb[f.ID()] = true
	}
	return sources, absorb, errors.Join(errs...)
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
func (a *Archiver) unlinkAbsorbed(files []*directory.File, absorb map[mmapstore.ID]bool) error {
	var errs []error
	for _, f := range files {
		if !absorb[f.ID()] {
			continue
		}
		a.note(func(s *Stats) { s.Absorbed++ })
		switch {
		case f.Orphan():
		case f.Damage() != nil:
			errs = append(errs, a.setAside(f.Path()))
		default:
			errs = append(errs, unlink(f.Path()))
		}
		a.o.step(StepUnlinked)
	}
	return errors.Join(errs...)
}

// unlink removes files that an earlier archiver absorbed and did not live to
// remove.
func (a *Archiver) unlink(files []directory.AbsorbedFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, unlink(f.Path))
	}
	return errors.Join(errs...)
}

func unlink(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
			err = os.Remove(path)
			a.note(func(s *Stats) { s.Swept++ })
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("sweep: %w", err))
		}
	}
	return errors.Join(errs...)
}
