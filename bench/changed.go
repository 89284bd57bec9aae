//go:build linux

package main

import "errors"

// changedScrapes is what a scrape costs when no value is what it was.
func changedScrapes() *group {
	r := &row{path: "warm scrape, 64 x 4,750, all values changed since the last, against client_python"}
	run := func(l *lab) (err error) {
		set, err := l.liveSet(pythonLayout, l.living(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, set.remove()) }()
		c := &contest{}
		defer c.close()
		if c.python, err = l.clientPython(set.dir); err != nil {
			return err
		}
		if c.warm, err = l.warm(set.dir); err != nil {
			return err
		}
		var p pairs
		for n := range l.pairs() {
			if err := set.change(n + 1); err != nil {
				return err
			}
			ours, err := c.warm.scrape()
			if err != nil {
				return err
			}
			if err := same(r.path, c.python.samples, c.warm.last); err != nil { // the timed answer
				return err
			}
			theirs, err := c.python.merge()
			if err != nil {
				return err
			}
			p.add(ours, theirs)
		}
		r.set(p.faster())
		return nil
	}
	return &group{rows: []*row{r}, run: run}
}
