//go:build unix

package archiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/spread"
	"github.com/promfold/promfold/mmapstore"
)

// A process may take up a dead one's file at any moment, if it gets the same
// pid: stock clients name files by it. So such a file is first set aside, under
// a name that no client opens. An open that found the old name just before may
// still be under way; so the file rests, until whoever had it would have it
// open for all to see, and is asked once more. Only then it is folded. If it
// lives after all, it goes on counting under its new name.
//
// Before all that comes a time of grace. A server that reaps a worker removes
// its gauges (mark_process_dead), which fails, and takes the server with it, if
// they go away under its hands.

// foldStock archives what stock clients left behind. Files are looked at a few
// at a time: in a directory that nobody has cleaned for long there are more of
// them than can be open at once.
func (a *Archiver) foldStock(ctx context.Context, e directory.Edition) error {
	asides, err := a.d.Asides()
	if err != nil {
		return err
	}
	rested := a.rested(e.Archive, asides)
	p := newProgress(a.o, len(rested))
	batch := foldBatch
	var failed []error
	for len(rested) > 0 && ctx.Err() == nil && err == nil {
		n := min(len(rested), batch)
		var skipped error
		skipped, err = a.foldAsides(ctx, &e, rested[:n])
		if fewer := a.fewer(errors.Join(skipped, err), n); fewer > 0 {
			batch, err = fewer, nil
			continue
		}
		failed = append(failed, skipped)
		rested = rested[n:]
		p.add(n)
	}
	p.end()
	return errors.Join(err, some(failed), a.setDeadAside(ctx), ctx.Err())
}

// foldBatch bounds how many files are open at once.
const foldBatch = 256

// noRoom reports whether the file system is full, of bytes or of inodes.
func noRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// scarce reports whether fewer files at a time would do: of room, of descriptors.
func scarce(err error) bool {
	return noRoom(err) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// some joins as many of the errors as anybody wants to read.
func some(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if more := len(errs) - maxErrors; more > 0 {
		errs = append(errs[:maxErrors], fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// maxErrors bounds what a round says of the files that it fails on.
const maxErrors = 10

// rested are the files that were set aside long enough ago. One of which we do
// not know when that was has been set aside just now.
func (a *Archiver) rested(archive *aggregate.Archive, asides []directory.Aside) []directory.Aside {
	a.asked = time.Now()
	known := a.resting
	a.resting = make(map[mmapstore.ID]time.Time, len(asides))
	var rested []directory.Aside
	for _, f := range asides {
		if archive.Holds(f.ID) {
			continue
		}
		since, ok := known[f.ID]
		if !ok {
			since = a.asked
		}
		a.resting[f.ID] = since
		if a.asked.Sub(since) >= a.o.Interval {
			rested = append(rested, f)
		}
	}
	return rested
}

// nextDue is when all files that have their grace now, or all that rest, will have
// waited long enough: whichever comes first, zero if none waits. Those that have
// rested were asked already, and live.
func (a *Archiver) nextDue() time.Time {
	var rested, graced time.Time
	for _, since := range a.resting {
		if due := since.Add(a.o.Interval); due.After(a.asked) && due.After(rested) {
			rested = due
		}
	}
	for _, f := range a.mourned {
		if due := f.since.Add(a.grace()); due.After(graced) {
			graced = due
		}
	}
	if rested.IsZero() || !graced.IsZero() && graced.Before(rested) {
		return graced
	}
	return rested
}

// mourned is a file that was found dead under its own name.
type mourned struct {
	inode aggregate.Inode
	since time.Time
}

// grace is how long a dead file keeps its own name: hooks run within
// milliseconds of a death.
func (a *Archiver) grace() time.Duration { return min(a.o.Interval, 200*time.Millisecond) }

// foldAsides folds those of the files whose writers are dead, and brings the
// edition up to date. skipped is about single files, which are left for the next
// round.
func (a *Archiver) foldAsides(ctx context.Context, e *directory.Edition, asides []directory.Aside) (skipped, err error) {
	files, failed := a.d.OpenAsides(asides)
	defer spread.Each(len(files), func(i int) { files[i].Close() })
	a.o.step(StepProbed)
	needed, left := a.discard(files)
	d := chooseDead(needed)
	skipped = errors.Join(failed, left, d.unread)
	if len(d.absorb) == 0 || ctx.Err() != nil {
		return skipped, ctx.Err()
	}
	o := a.o.Fold
	o.KeepAllIDs, o.Partial = true, true // these are not all files
	v := &directory.View{Edition: *e}
	left, err = a.foldSome(ctx, v, d, len(d.absorb), o, false)
	*e = v.Edition
	return errors.Join(skipped, left), err
}

// discard removes what needs no archive (gauges of live modes, files in which
// nothing was ever written), and returns what does, of the dead.
func (a *Archiver) discard(files []*directory.File) (dead []*directory.File, err error) {
	var errs []error
	for _, f := range files {
		switch {
		case f.Verdict().State != mmapstore.Dead:
			// It lives after all, or we cannot tell.
		case f.Damage() != nil && mmapstore.Reason(f.Damage()) == mmapstore.ReasonIO:
			errs = append(errs, f.Damage()) // it may be readable the next time
		case f.NeedsArchive():
			dead = append(dead, f)
		default:
			if err := a.remove(f.Path()); err != nil {
				errs = append(errs, err)
				continue
			}
			a.note(func(s *Stats) { s.Discarded++ })
			a.o.step(StepDiscarded)
		}
	}
	return dead, some(errs)
}

// setDeadAside sets aside the files that nobody writes. Where another program
// archives the directory, it is left alone.
func (a *Archiver) setDeadAside(ctx context.Context) error {
	known := a.mourned
	a.mourned = make(map[string]mourned)
	foreign := a.d.Foreign()
	a.noteForeign(foreign)
	if foreign {
		return nil
	}
	paths, all, err := a.toLookAt(known)
	if err != nil {
		return err
	}
	began := time.Now()
	if all {
		a.expected.stock = 0
	}
	var errs []error
	for chunk := range slices.Chunk(paths, foldBatch) {
		if ctx.Err() != nil {
			break
		}
		all := make([]found, len(chunk))
		spread.Each(len(chunk), func(i int) { all[i] = a.lookAt(chunk[i], known[chunk[i]]) })
		hopeless := false // the next will fare no better
		for i := range all {
			err := a.keep(&all[i])
			hopeless = hopeless || scarce(err) || errors.Is(err, unix.EROFS)
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		if hopeless {
			return some(errs)
		}
	}
	if all {
		a.lookAgain = time.Now().Add(max(a.grace(), lookShare*time.Since(began)))
	}
	a.warnUnknown()
	return some(errs)
}

// warnUnknown says when it begins that nobody can tell who lives.
func (a *Archiver) warnUnknown() {
	unknown := a.Stats().Unknown
	if unknown > 0 && !a.warned && a.o.WarnUnknown {
		a.o.Logger.Warn("Cannot tell whether some processes live: their files are not archived",
			"files", unknown, "remedies", directory.LivenessRemedies)
	}
	a.warned = unknown > 0
}

// toLookAt lists the files to look at: all of them or, if that was done a moment
// ago, since every event wakes us, those that were found dead then.
func (a *Archiver) toLookAt(known map[string]mourned) (paths []string, all bool, err error) {
	if time.Now().Before(a.lookAgain) {
		return slices.Collect(maps.Keys(known)), false, nil
	}
	a.note(func(s *Stats) { s.Unknown = 0 })
	paths, err = a.d.StockPaths()
	return paths, true, err
}

// lookShare bounds the time for looking at all files, as a share of all time: to
// look is to probe, and a server has thousands of files and something going on
// all the time.
const lookShare = 20

// found is what came of a look at the file of a stock client.
type found struct {
	path  string
	held  int64   // the room that it takes, 0 if nobody knows
	known mourned // what was known of it
	due   bool    // to be set aside
	gone  bool    // it was, or could not be
	inode aggregate.Inode
	state mmapstore.State
	err   error
}

// lookAt asks whether the file at path is dead, unless it has been since known for long
// enough to be set aside. It changes nothing, and may run beside others.
func (a *Archiver) lookAt(path string, known mourned) found {
	f := found{path: path, known: known}
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		f.held = held(info)
	}
	if f.due = !known.since.IsZero() && time.Since(known.since) >= a.grace(); !f.due {
		f.inode, f.state, f.err = a.d.StockState(path)
	}
	return f
}

// setAsideIfDue sets the file aside if it is due, and looks at it if it is not there or
// lives after all. Each is one effect, followed by its step.
func (a *Archiver) setAsideIfDue(f *found) error {
	if !f.due {
		return f.err
	}
	aside := a.d.NewAside(f.path)
	done, err := a.d.SetAside(f.path, f.known.inode, aside)
	if done {
		a.resting[aside.ID] = time.Now()
		a.o.step(StepSetAside)
	}
	if f.gone = done || err != nil; !f.gone {
		f.inode, f.state, err = a.d.StockState(f.path)
	}
	return err
}

// keep does what is due, and keeps the rest for the rounds to come.
func (a *Archiver) keep(f *found) error {
	a.expected.stock = max(a.expected.stock, f.held)
	err := a.setAsideIfDue(f)
	switch {
	case f.gone:
		return err
	case err != nil || f.state != mmapstore.Dead:
		a.noteUnknown(f.state)
		return err
	}
	if f.known.inode != f.inode {
		f.known = mourned{f.inode, time.Now()}
	}
	a.mourned[f.path] = f.known
	a.o.step(StepMourned)
	return nil
}

// noteForeign says once that another program archives the directory.
func (a *Archiver) noteForeign(foreign bool) {
	was := a.Stats().Foreign
	a.note(func(s *Stats) { s.Foreign = foreign })
	switch {
	case foreign && !was:
		a.o.Logger.Warn("Another program archives the files of the Python client here: they are served and left alone. " +
			"To let promfold archive them, stop its archiver thread and remove the file lockfile")
	case was && !foreign:
		a.o.Logger.Info("No other program archives here any more")
	}
}

// noteUnknown counts a file of which nobody can tell whether its writer lives.
func (a *Archiver) noteUnknown(state mmapstore.State) {
	if state == mmapstore.CannotTell {
		a.note(func(s *Stats) { s.Unknown++ })
	}
}
