//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// redisPython is a process of Python that counts: with prometheus-distributed-client
// on a Redis, or with client_python in files.
type redisPython struct{ *peer }

// pdcProcess is one of prometheus-distributed-client.
func (l *lab) pdcProcess(s *redisServer) (*redisPython, error) {
	if _, err := os.Stat(l.pdc); err != nil {
		return nil, fmt.Errorf("%w: .ci/install-bench installs it", err)
	}
	p, err := l.startScript(nil, l.pdc, redisScript, "pdc", s.port)
	return &redisPython{p}, err
}

// filesPython is one of client_python, in multiprocess mode.
func (l *lab) filesPython(dir string) (*redisPython, error) {
	p, err := l.startScript(nil, l.python, redisScript, "files", dir)
	return &redisPython{p}, err
}

const redisScript = "redis_counting.py"

// inc and observe are how long so many calls take.
func (p *redisPython) inc(n int) (time.Duration, error)     { return p.ask(fmt.Sprint("inc ", n)) }
func (p *redisPython) observe(n int) (time.Duration, error) { return p.ask(fmt.Sprint("observe ", n)) }

// end lets the process end.
func (p *redisPython) end() error {
	_, err := p.close()
	return err
}

// fill makes so many series of a counter.
func (p *redisPython) fill(n int) error {
	_, err := p.ask(fmt.Sprint("fill ", n))
	return err
}

// merge is how long an exposition takes.
func (p *redisPython) merge() (time.Duration, error) { return p.ask("merge") }

// samples is the process' own exposition without when its series were created, which
// are families of their own there and for promfold are none.
func (p *redisPython) samples() (*exposition, error) {
	e, err := p.peer.samples()
	if err != nil {
		return nil, err
	}
	kept := make(rig.Samples)
	for key, one := range e.Samples {
		if !strings.HasSuffix(one.Name, "_created") {
			kept[key] = one
		}
	}
	e.Samples = kept
	return e, nil
}

// pacing begins increments of several processes at once, and returns how many they
// have done.
func pacing(all []*redisPython, rate int, d time.Duration) (done int, err error) {
	for _, p := range all {
		if _, err := fmt.Fprintln(p.in, "pace", rate, d.Seconds()); err != nil {
			return 0, err
		}
	}
	for _, p := range all {
		line, err := p.out.ReadString('\n')
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.cmd, err)
		}
		var n int
		if _, err := fmt.Sscan(line, &n); err != nil {
			return 0, err
		}
		done += n
	}
	return done, nil
}
