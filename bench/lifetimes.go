//go:build linux

package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

// brief is what a short-lived process counts: some of what the living ones do.
func brief() *model { return newModel(size{counters: 5, wide: 1, livesum: 1}) }

const (
	livesOfOne  = 500 // of one real process
	livesAtOnce = 50
	firstLife   = 1_000_000
)

// live is some lifetimes, one after the other: each has a file of its own for as
// long as those of the next few. The last ones end with the process.
func live(args []string) error {
	first, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	m := brief()
	var alive [livesAtOnce]*worker.Store
	for n := range livesOfOne {
		at := n % livesAtOnce
		if alive[at] != nil {
			if err := alive[at].Close(); err != nil {
				return err
			}
		}
		if alive[at], err = worker.New(args[0], worker.WithIdentity(pidOf(first+n))); err != nil {
			return err
		}
		m.count(alive[at], first+n)
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// lifetimes is a directory in which many processes have lived, beside one in which
// only those have that still do.
type lifetimes struct{ size, scrape *row }

func newLifetimes() *group {
	t := &lifetimes{
		size:   &row{path: "directory after 100,000 lifetimes, against one with the living alone (bytes on disk)", goal: "at most 1.1 x", atMost: 1.1},
		scrape: &row{path: "warm scrape after 100,000 lifetimes, against the living alone", goal: "at most 1.1 x", atMost: 1.1},
	}
	return &group{rows: []*row{t.size, t.scrape}, run: t.run}
}

func (t *lifetimes) run(l *lab) (err error) {
	var dirs [2]string
	for i := range dirs {
		if dirs[i], err = l.directory(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dirs[i])) }()
		set, err := makeNative(dirs[i], l.model(), l.living())
		if err != nil {
			return err
		}
		defer func() { _ = set.Close() }()
		if _, _, err := l.archive(dirs[i]); err != nil {
			return err
		}
	}
	if err := t.pass(l, dirs[0]); err != nil {
		return err
	}
	var bytes [2]int64
	for i := range dirs {
		if bytes[i], err = onDisk(dirs[i]); err != nil {
			return err
		}
	}
	o := figure(float64(bytes[0])/float64(bytes[1]), "x")
	o.ours, o.theirs = megabytes(bytes[0]), megabytes(bytes[1])
	t.size.set(o)
	p, err := l.twoSidecars(dirs[0], dirs[1], t.check(l))
	if err != nil {
		return err
	}
	t.scrape.set(p.longer())
	return nil
}

func (t *lifetimes) lives(l *lab) int { return of(l, 100_000, livesOfOne) }

// pass lets the lifetimes pass beside a sidecar that archives them.
func (t *lifetimes) pass(l *lab, dir string) error {
	s, err := l.serve(dir, "--archive.interval=200ms")
	if err != nil {
		return err
	}
	defer s.close()
	began := time.Now()
	for first := 0; first < t.lives(l); first += livesOfOne {
		cmd := again("live", dir, strconv.Itoa(firstLife+first))
		out, err := cmd.CombinedOutput()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		if err := awaitNative(dir, l.living()+4*livesOfOne); err != nil {
			return err
		}
	}
	if err := awaitNative(dir, l.living()); err != nil {
		return err
	}
	l.say("  %d lifetimes and their archiving took %v", t.lives(l), time.Since(began).Round(time.Second))
	return nil
}

// check holds that the lives count: one directory has all series of the other, and
// more by what they counted. Of gauges they leave nothing.
func (t *lifetimes) check(l *lab) func(ours, theirs answerer) error {
	want, m := make(rig.Samples), brief()
	for n := range t.lives(l) {
		m.cumulate(want, moment{process: firstLife + n})
	}
	return func(ours, theirs answerer) error {
		with, err := ours()
		if err != nil {
			return err
		}
		without, err := theirs()
		if err != nil {
			return err
		}
		sum := without.App()
		for series, one := range want {
			one.Value += sum[series].Value
			sum[series] = one
		}
		if err := difference(sum, with.App()); err != nil {
			return fmt.Errorf("after %d lifetimes: %w", t.lives(l), err)
		}
		return nil
	}
}

// cumulate adds what a process has counted at a moment.
func (m *model) cumulate(all rig.Samples, at moment) {
	add := func(name string, labels map[string]string, v float64) {
		series := rig.Series(name, labels)
		all[series] = rig.Sample{Name: name, Labels: labels, Value: all[series].Value + v, Cumulative: true}
	}
	m.eachChild(func(n int, f *family, values []string) {
		labels := make(map[string]string)
		for i, name := range f.labels {
			labels[name] = values[i]
		}
		switch f.kind {
		case "counter":
			add(f.name+"_total", labels, f.scalar(at, n))
		case "histogram":
			below := 0
			for k, bound := range append(slices.Clone(f.bounds), math.Inf(1)) {
				below += f.bucket(at, n, k)
				with := maps.Clone(labels)
				with["le"] = rig.Bound(bound)
				add(f.name+"_bucket", with, float64(below))
			}
			add(f.name+"_count", labels, float64(below))
			add(f.name+"_sum", labels, f.sum(at, n))
		}
	})
}

// awaitNative waits until at most so many native files are left.
func awaitNative(dir string, most int) error {
	left := 0
	for range 10 * 60 * 5 {
		files, err := filepath.Glob(filepath.Join(dir, "*.pfm"))
		if left = len(files); err != nil || left <= most {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("after 5 minutes %d files are left in %s", left, dir)
}

// onDisk is what a directory's files take, holes left out.
func onDisk(dir string) (bytes int64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512
		}
		return nil
	})
	return bytes, err
}
