//go:build linux

package main

import "errors"

// sidecarMemory is what promfold holds for itself.
func sidecarMemory() *group {
	r := &row{path: "memory of promfold serve after 5 scrapes of 64 x 4,750 (RssAnon)", goal: "at most 40 MB", atMost: 40}
	run := func(l *lab) (err error) {
		set, err := l.liveSet(pythonLayout, l.living(), false)
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
