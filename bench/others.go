//go:build linux

package main

import (
	"errors"
	"net/http"
	"os"
	"runtime"
)

// changedScrapes is what a scrape costs when no value is what it was.
func changedScrapes() *group {
	r := &row{path: "warm scrape, 64 x 4,750, all values changed since the last, against client_python"}
	run := func(l *lab) (err error) {
		set, err := l.liveSet(pythonLayout, of(l, 64, 4), false)
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
			if err := same(r.path, c.python.samples, c.warm.samples); err != nil {
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

// nativeScrapes is promfold's own files beside client_python's of the same series.
func nativeScrapes() *group {
	r := &row{path: "warm scrape of native files, against .db files of the same series", goal: "at least 3 x", atLeast: 3}
	withNative := func(l *lab, do func(dir string) error) (err error) {
		dir, err := l.directory()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		set, err := makeNative(dir, l.model(), of(l, 64, 4))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, set.Close()) }()
		return do(dir)
	}
	run := func(l *lab) (err error) {
		stock, err := l.liveSet(pythonLayout, of(l, 64, 4), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stock.remove()) }()
		return withNative(l, func(dir string) error {
			p, err := l.twoSidecars(r.path, dir, stock.dir)
			if err != nil {
				return err
			}
			r.set(p.faster())
			return nil
		})
	}
	profile := func(l *lab) error {
		return withNative(l, func(dir string) error { return l.profileScrapes(r.path, dir) })
	}
	return &group{rows: []*row{r}, run: run, profile: profile}
}

// twoSidecars compares two directories that have the same series, and the times of
// their warm scrapes.
func (l *lab) twoSidecars(what, dir, other string) (*pairs, error) {
	ours, err := l.warm(dir)
	if err != nil {
		return nil, err
	}
	defer ours.close()
	theirs, err := l.warm(other)
	if err != nil {
		return nil, err
	}
	defer theirs.close()
	if what != "" {
		if err := same(what, theirs.samples, ours.samples); err != nil {
			return nil, err
		}
	}
	p := &pairs{}
	for range of(l, 11, 3) {
		a, err := ours.settled()
		if err != nil {
			return nil, err
		}
		b, err := theirs.settled()
		if err != nil {
			return nil, err
		}
		p.add(a, b)
	}
	return p, nil
}

// sidecarMemory is what promfold holds for itself.
func sidecarMemory() *group {
	r := &row{path: "memory of promfold serve after 5 scrapes of 64 x 4,750 (RssAnon)", goal: "at most 40 MB", atMost: 40}
	run := func(l *lab) (err error) {
		set, err := l.liveSet(pythonLayout, of(l, 64, 4), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, set.remove()) }()
		s, err := l.serve(set.dir, "--no-archive")
		if err != nil {
			return err
		}
		defer s.close()
		for range 5 {
			if _, err := s.scrape(); err != nil {
				return err
			}
		}
		bytes, err := s.anonymous()
		if err != nil {
			return err
		}
		r.set(figure(float64(bytes)/1e6, "MB"))
		return nil
	}
	return &group{rows: []*row{r}, run: run}
}

// allocations counts what a warm scrape allocates in the exporter: everything from
// the request to the last byte of the answer, but for the HTTP server's part.
func allocations() *group {
	r := &row{path: "allocations of a warm scrape, 64 x 4,750 (the handler's)", goal: "at most 200", atMost: 200}
	less := &row{path: "allocations of a warm scrape of a tenth of the series"}
	run := func(l *lab) error {
		for r, m := range map[*row]*model{r: l.model(), less: newModel(size{counters: 145, wide: 13, narrow: 8, all: 1, livesum: 9})} {
			n, err := l.allocationsOf(m)
			if err != nil {
				return err
			}
			r.set(figure(n, ""))
		}
		return nil
	}
	return &group{rows: []*row{r, less}, run: run}
}

func (l *lab) allocationsOf(m *model) (mean float64, err error) {
	dir, err := l.directory()
	if err != nil {
		return 0, err
	}
	set := newFileSet(dir, pythonLayout, m)
	defer func() { err = errors.Join(err, set.remove()) }()
	if err := set.live(0, of(l, 64, 4)); err != nil {
		return 0, err
	}
	h := inProcess(dir)
	defer h.close()
	const scrapes = 20
	for range 5 {
		h.scrape()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range scrapes {
		h.scrape()
	}
	runtime.ReadMemStats(&after)
	if h.status != http.StatusOK {
		return 0, errors.New("an exporter in this process did not answer")
	}
	return float64(after.Mallocs-before.Mallocs) / scrapes, nil
}
