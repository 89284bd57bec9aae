//go:build linux

package main

import (
	"errors"
	"time"
)

// deadPIDs is what scrapes come to as dead pids pile up: for the peers, whose files
// stay, and for promfold, which has archived them.
type deadPIDs struct{ python, gitlab *row }

func newDeadPIDs() *group {
	d := &deadPIDs{
		python: &row{path: "warm scrape, 64 x 4,750 and 6,800 dead x 994, against client_python"},
		gitlab: &row{path: "warm scrape, 64 x 4,750 and 6,800 dead x 994, against GitLab's C"},
	}
	return &group{rows: []*row{d.python, d.gitlab}, run: d.run}
}

// side is a directory with the living and the dead, and who merges it.
type side struct {
	living, dead *fileSet
	peer         *peer    // or
	ours         *sidecar // after archiving
}

func (d *deadPIDs) run(l *lab) (err error) {
	var sides [3]*side
	defer func() {
		for _, s := range sides {
			if s != nil {
				err = errors.Join(err, s.close())
			}
		}
	}()
	for i, layout := range []*layout{pythonLayout, pythonLayout, gitlabLayout} {
		living, err := l.liveSet(layout, l.living(), false)
		if err != nil {
			return err
		}
		sides[i] = &side{living: living, dead: l.deadSet(living.dir, layout)}
	}
	ours, python, gitlab := sides[0], sides[1], sides[2]
	if python.peer, err = l.clientPython(python.living.dir); err != nil {
		return err
	}
	if gitlab.peer, err = l.gitlab(gitlab.living.dir); err != nil {
		return err
	}
	dead := 0
	for _, n := range of(l, []int{0, 100, 500, 1000, 2000, 4000, 6800}, []int{0, 10, 30}) {
		for _, s := range sides {
			if err := s.dead.dead(firstDead+dead, firstDead+n); err != nil {
				return err
			}
		}
		dead = n
		if err := d.step(l, n, ours, python, gitlab); err != nil {
			return err
		}
	}
	return nil
}

func (s *side) close() error {
	if s.ours != nil {
		s.ours.close()
	}
	if s.peer != nil {
		if _, err := s.peer.close(); err != nil {
			return errors.Join(err, s.living.remove())
		}
	}
	return s.living.remove()
}

// step measures with so many dead, and notes the points and, of the last step, the
// rows.
func (d *deadPIDs) step(l *lab, dead int, ours, python, gitlab *side) (err error) {
	if _, _, err := l.archive(ours.living.dir); err != nil {
		return err
	}
	if err := filesLeft(ours.living.dir, ours.living.files()); err != nil {
		return err
	}
	if ours.ours == nil {
		if ours.ours, err = l.warm(ours.living.dir); err != nil {
			return err
		}
	}
	want, err := python.peer.samples()
	if err != nil {
		return err
	}
	if err := same(d.python.path, already(want), ours.ours.samples); err != nil {
		return err
	}
	if err := same(d.gitlab.path, gitlab.peer.samples, ours.ours.samples); err != nil {
		return err
	}
	var fromPython, fromGitlab pairs
	for range of(l, 5, 2) {
		a, err := python.peer.merge()
		if err != nil {
			return err
		}
		b, err := gitlab.peer.merge()
		if err != nil {
			return err
		}
		c, err := ours.ours.settled()
		if err != nil {
			return err
		}
		fromPython.add(c, a)
		fromGitlab.add(c, b)
		if a > 4*time.Second && dead < l.dead() {
			break // a point of the plot is enough
		}
	}
	if err := same(d.python.path, already(want), ours.ours.last); err != nil {
		return err
	}
	d.python.set(fromPython.faster())
	d.gitlab.set(fromGitlab.faster())
	l.plot.add("client_python", dead, median(fromPython.theirs))
	l.plot.add("GitLab's prometheus-client-mmap", dead, median(fromGitlab.theirs))
	l.plot.add("promfold", dead, median(fromPython.ours))
	l.say("  %d dead: client_python %s, GitLab %s, promfold %s", dead,
		short(median(fromPython.theirs)), short(median(fromGitlab.theirs)), short(median(fromPython.ours)))
	return nil
}
