//go:build linux

package main

import (
	"errors"
	"net/http"
	"runtime"
)

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
	if err := set.live(0, l.living()); err != nil {
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
