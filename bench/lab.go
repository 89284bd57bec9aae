//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// lab is where and how measurements are made.
type lab struct {
	quick    bool
	root     string // on a tmpfs, as in production; removed at the end
	promfold string // the program
	python   string // an interpreter that has client_python
	pdc      string // one that has prometheus-distributed-client, which wants a client_python of its own
	ruby     string
	peers    string // the folder of the peers' scripts
	load     string // average before anything was done
	log      io.Writer
	plot     plot
	meters   int // made so far
}

// newLab builds the program in a directory of its own.
func newLab(repository string, quick bool) (*lab, error) {
	l := &lab{
		quick: quick, ruby: "/usr/bin/ruby", load: loadAverage(), log: os.Stderr,
		python: filepath.Join(repository, "bin/bench/venv/bin/python"),
		pdc:    filepath.Join(repository, "bin/bench/pdc/bin/python"),
		peers:  filepath.Join(repository, "bench/peers"),
	}
	for _, path := range []string{l.python, l.ruby} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: .ci/install-bench installs it", err)
		}
	}
	var err error
	if l.root, err = os.MkdirTemp("/dev/shm", "promfold-bench-"); err != nil {
		return nil, err
	}
	l.promfold = filepath.Join(l.root, "promfold")
	build := exec.Command("go", "build", "-o", l.promfold, "./cmd/promfold") //nolint:gosec // G204: a path of ours
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		l.close()
		return nil, fmt.Errorf("build promfold: %w\n%s", err, out)
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.root) }

// directory makes an empty one. Who asks for it removes it: data sets are large.
func (l *lab) directory() (string, error) { return os.MkdirTemp(l.root, "set-") }

// say tells who waits what is going on.
func (l *lab) say(format string, args ...any) { _, _ = fmt.Fprintf(l.log, format+"\n", args...) }

// of is a number of the full run, or of the quick one.
func of[T any](l *lab, full, quick T) T {
	if l.quick {
		return quick
	}
	return full
}

// pairs is how many pairs of measurements a row has, for sides that take seconds.
func (l *lab) pairs() int { return of(l, 5, 2) }

// living is how many processes most sets have.
func (l *lab) living() int { return of(l, 64, 4) }

// timed is how long something took.
func timed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}
