//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
)

// deadSet is files of dead pids: one of each, by turns of counters and of
// histograms, 994 samples each. Nothing in them is of a live mode: such files go
// with mark_process_dead, which the peers' users call.
func (l *lab) deadSet(dir string, layout *layout) *fileSet {
	counters := of(l, deadCounters, size{counters: 20})
	histograms := of(l, deadHistograms, size{wide: 2, narrow: 1})
	return newFileSet(dir, layout, newModel(counters), newModel(histograms))
}

// firstDead is the number of the first dead process: living ones come before.
const firstDead = 100_000

// archive runs promfold archive --once, without the waits that a round keeps
// between two looks at a file, which are no work.
func (l *lab) archive(dir string) (took time.Duration, peakRSS int64, err error) {
	cmd := l.metered(l.promfold, "archive", "--once", "--archive.interval=1ms", "--multiproc.dir="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return cmd.read()
}

// filesLeft fails unless the directory has so many .db files.
func filesLeft(dir string, want int) error {
	left, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err == nil && len(left) != want {
		err = fmt.Errorf("%d files are left in %s, not %d", len(left), dir, want)
	}
	return err
}

// archiving is a directory full of dead pids, and what it costs to fold them.
type archiving struct {
	faster, time, memory *row
	peak                 int64
}

func (a *archiving) group() *group {
	return &group{rows: []*row{a.time, a.memory, a.faster}, run: a.run, profile: a.profile}
}

func newArchiving() *archiving {
	return &archiving{
		time:   &row{path: "archiving 6,800 dead x 994", goal: "at most 2 s", atMost: 2},
		memory: &row{path: "memory of that, at its peak (all RSS)", goal: "at most 200 MB", atMost: 200},
		faster: &row{path: "archiving 6,800 dead x 994, against client_python's merge of them", goal: "at least 20 x", atLeast: 20},
	}
}

func (l *lab) dead() int { return of(l, 6800, 30) }

func (a *archiving) run(l *lab) (err error) {
	var p pairs
	var peaks []int64
	for n := range l.pairs() {
		ours, theirs, peak, err := a.once(l, n == 0)
		if err != nil {
			return err
		}
		l.say("  client_python %s, archiving %s, %s", short(theirs), short(ours), megabytes(peak))
		p.add(ours, theirs)
		peaks = append(peaks, peak)
	}
	a.faster.set(p.faster())
	seconds := p.faster()
	seconds.value, seconds.unit = median(p.ours).Seconds(), "s"
	seconds.low, seconds.high = spread(p.ours)
	a.time.set(seconds)
	a.memory.set(figure(float64(median(peaks))/1e6, "MB"))
	a.memory.outcome.theirs = megabytes(a.peak)
	return nil
}

// once merges a set with client_python, and archives it. The first time the
// outcomes are compared.
func (a *archiving) once(l *lab, compare bool) (ours, theirs time.Duration, peak int64, err error) {
	dir, err := l.directory()
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := l.deadSet(dir, pythonLayout).dead(firstDead, firstDead+l.dead()); err != nil {
		return 0, 0, 0, err
	}
	python, err := l.clientPython(dir)
	if err != nil {
		return 0, 0, 0, err
	}
	if _, err = python.merge(); err != nil { // the first of an interpreter, which is not timed
		return 0, 0, 0, err
	}
	if theirs, err = python.merge(); err != nil {
		return 0, 0, 0, err
	}
	check := func(answerer) error { return nil }
	if compare {
		want, err := python.samples()
		if err != nil {
			return 0, 0, 0, err
		}
		check = func(got answerer) error {
			return same(a.time.path, already(want), got)
		}
	}
	if a.peak, err = python.close(); err != nil {
		return 0, 0, 0, err
	}
	if ours, peak, err = l.archive(dir); err != nil {
		return 0, 0, 0, err
	}
	s, err := l.warm(dir)
	if err != nil {
		return 0, 0, 0, err
	}
	defer s.close()
	return ours, theirs, peak, errors.Join(check(s.samples), filesLeft(dir, 0))
}

// profile folds a set in this process, once.
func (a *archiving) profile(l *lab) (err error) {
	dir, err := l.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := l.deadSet(dir, pythonLayout).dead(firstDead, firstDead+l.dead()); err != nil {
		return err
	}
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	return l.profiled(a.time.path, func() error {
		return archiver.New(d, archiver.Options{Interval: time.Millisecond}).Once(context.Background())
	})
}
