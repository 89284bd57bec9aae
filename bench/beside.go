//go:build linux

package main

import (
	"errors"
)

// besideArchive is what a scrape pays for an archive of many dead.
func besideArchive() *group {
	r := &row{
		path: "warm scrape, 64 x 4,750 beside 6,800 archived dead x 994, against an empty archive",
		goal: "at most 1.1 x", atMost: 1.1,
	}
	run := func(l *lab) (err error) {
		full, err := l.liveSet(pythonLayout, l.living(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, full.remove()) }()
		if err := l.deadSet(full.dir, pythonLayout).dead(firstDead, firstDead+l.dead()); err != nil {
			return err
		}
		if err := l.archiveKeeping(full, r.path); err != nil {
			return err
		}
		empty, err := l.liveSet(pythonLayout, l.living(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, empty.remove()) }()
		if _, _, err := l.archive(empty.dir); err != nil {
			return err
		}
		p, err := l.twoSidecars(full.dir, empty.dir, nil)
		if err != nil {
			return err
		}
		r.set(p.longer())
		return nil
	}
	return &group{rows: []*row{r}, run: run}
}

// archiveKeeping archives the dead beside a living set. No sample may change.
func (l *lab) archiveKeeping(living *fileSet, what string) error {
	s, err := l.serve(living.dir, "--no-archive")
	if err != nil {
		return err
	}
	defer s.close()
	before, err := s.samples()
	if err != nil {
		return err
	}
	if _, _, err := l.archive(living.dir); err != nil {
		return err
	}
	after, err := l.warm(living.dir) // another process: it has seen nothing of the dead
	if err != nil {
		return err
	}
	defer after.close()
	return errors.Join(filesLeft(living.dir, living.files()),
		same(what, already(before), after.samples))
}
