//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

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

// check holds that the lives count: in one directory a counter has what they
// counted more than in the other.
func (t *lifetimes) check(l *lab) func(ours, theirs answerer) error {
	return func(ours, theirs answerer) error {
		with, err := ours()
		if err != nil {
			return err
		}
		without, err := theirs()
		if err != nil {
			return err
		}
		f := &brief().families[0]
		series := fmt.Sprintf("%s_total{handler=%q,method=%q,status=%q}", f.name, f.children[0][0], f.children[0][1], f.children[0][2])
		want := without[series].Value
		for n := range t.lives(l) {
			want += f.scalar(moment{process: firstLife + n}, 0)
		}
		if got := with[series].Value; got != want {
			return fmt.Errorf("after %d lifetimes %s is %v, not %v", t.lives(l), series, got, want)
		}
		return nil
	}
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
