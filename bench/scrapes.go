//go:build linux

package main

import (
	"errors"
	"os"
	"time"
)

// scrapes is a set of client_python's files of living processes, which both sides
// merge: promfold on its first scrape and on later ones.
type scrapes struct {
	processes func(l *lab) int
	shuffled  bool
	gitlab    bool // GitLab's client takes part, on files of its own

	warm, cold             *row // against client_python
	warmGitlab, coldGitlab *row
}

func (s *scrapes) group() *group {
	g := &group{rows: []*row{s.warm, s.cold}, run: s.run, profile: s.profile}
	if s.gitlab {
		g.rows = []*row{s.warm, s.warmGitlab, s.cold, s.coldGitlab}
	}
	return g
}

// model is that of all sets of living processes.
func (l *lab) model() *model {
	return newModel(of(l, liveSize, size{counters: 60, wide: 5, narrow: 3, all: 1, livesum: 4}))
}

// liveSet makes the set in a directory of its own.
func (l *lab) liveSet(layout *layout, processes int, shuffled bool) (*fileSet, error) {
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	set := newFileSet(dir, layout, l.model())
	set.shuffled = shuffled
	if err := set.live(0, processes); err != nil {
		return nil, errors.Join(err, set.remove())
	}
	return set, nil
}

// remove ends the living and takes their files away.
func (s *fileSet) remove() error { return errors.Join(s.Close(), os.RemoveAll(s.dir)) }

// contest is the sides that merge the same series.
type contest struct {
	dir            string // ours and client_python's
	python, gitlab *peer  // gitlab may be nil
	warm           *sidecar
	want           *exposition // client_python's
}

func (c *contest) close() {
	if c.warm != nil {
		c.warm.close()
	}
	for _, p := range []*peer{c.python, c.gitlab} {
		if p != nil {
			_, _ = p.close() // an answer that did not come was an error before
		}
	}
}

func (s *scrapes) run(l *lab) (err error) {
	set, err := l.liveSet(pythonLayout, s.processes(l), s.shuffled)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.remove()) }()
	c := &contest{dir: set.dir}
	defer c.close()
	if c.python, err = l.clientPython(set.dir); err != nil {
		return err
	}
	if s.gitlab {
		ruby, err := l.liveSet(gitlabLayout, s.processes(l), s.shuffled)
		if err != nil {
			return err
		}
		defer func() { _ = ruby.remove() }()
		if c.gitlab, err = l.gitlab(ruby.dir); err != nil {
			return err
		}
	}
	if c.warm, err = l.warm(set.dir); err != nil {
		return err
	}
	if c.want, err = c.python.samples(); err != nil {
		return err
	}
	if err := same(s.warm.path, already(c.want), c.warm.samples); err != nil {
		return err
	}
	if c.gitlab != nil {
		if err := same(s.warmGitlab.path, c.gitlab.samples, c.warm.samples); err != nil {
			return err
		}
	}
	return s.measure(l, c)
}

// round is the times of one round of all sides.
type round struct{ python, gitlab, cold, warm time.Duration }

func (s *scrapes) measure(l *lab, c *contest) error {
	var warm, cold, warmGitlab, coldGitlab pairs
	for range of(l, 7, 2) {
		r, err := c.round(l)
		if err != nil {
			return err
		}
		l.say("  client_python %s, GitLab %s, cold %s, warm %s", short(r.python), short(r.gitlab), short(r.cold), short(r.warm))
		warm.add(r.warm, r.python)
		cold.add(r.cold, r.python)
		warmGitlab.add(r.warm, r.gitlab)
		coldGitlab.add(r.cold, r.gitlab)
	}
	s.warm.set(warm.faster())
	s.cold.set(cold.faster())
	if c.gitlab != nil {
		s.warmGitlab.set(warmGitlab.faster())
		s.coldGitlab.set(coldGitlab.faster())
	}
	return nil
}

func (c *contest) round(l *lab) (r round, err error) {
	if r.python, err = c.python.merge(); err != nil {
		return r, err
	}
	if c.gitlab != nil {
		if r.gitlab, err = c.gitlab.merge(); err != nil {
			return r, err
		}
	}
	if r.cold, err = l.firstScrape(c.dir, c.want); err != nil {
		return r, err
	}
	if r.warm, err = c.warm.settled(); err != nil {
		return r, err
	}
	return r, same("warm scrape", already(c.want), c.warm.last)
}

// firstScrape is that of a process which has read nothing yet. Its start is not in
// the time, nor is the look at what it answered.
func (l *lab) firstScrape(dir string, want *exposition) (time.Duration, error) {
	s, err := l.serve(dir, "--no-archive")
	if err != nil {
		return 0, err
	}
	defer s.close()
	took, err := s.scrape()
	if err != nil {
		return 0, err
	}
	return took, same("cold scrape", already(want), s.last)
}

// profile is that of warm scrapes, as they are what a process does all its life.
func (s *scrapes) profile(l *lab) (err error) {
	set, err := l.liveSet(pythonLayout, s.processes(l), s.shuffled)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.remove()) }()
	return l.profileScrapes(s.warm.path, set.dir)
}

func commonScrapes() []*group {
	common := &scrapes{
		gitlab:     true,
		processes:  (*lab).living,
		warm:       &row{path: "warm scrape, 64 x 4,750, against client_python", goal: "at least 300 x", atLeast: 300},
		warmGitlab: &row{path: "warm scrape, 64 x 4,750, against GitLab's C", goal: "at least 40 x", atLeast: 40},
		cold:       &row{path: "cold scrape, 64 x 4,750, against client_python", goal: "at least 50 x", atLeast: 50},
		coldGitlab: &row{path: "cold scrape, 64 x 4,750, against GitLab's C", goal: "at least 6 x", atLeast: 6},
	}
	many := &scrapes{
		processes: func(l *lab) int { return of(l, 1000, 8) },
		warm:      &row{path: "warm scrape, 1,000 x 4,750, against client_python", goal: "at least 300 x", atLeast: 300},
		cold:      &row{path: "cold scrape, 1,000 x 4,750, against client_python", goal: "at least 60 x", atLeast: 60},
	}
	shuffled := &scrapes{
		shuffled:  true,
		processes: common.processes,
		warm:      &row{path: "warm scrape, 64 x 4,750, keys in another order in each process, against client_python"},
		cold:      &row{path: "cold scrape, 64 x 4,750, keys in another order in each process, against client_python"},
	}
	return []*group{common.group(), many.group(), shuffled.group()}
}
