//go:build linux

package main

import (
	"errors"
	"os"
)

// nativeScrapes is promfold's own files beside client_python's of the same series.
func nativeScrapes() *group {
	r := &row{path: "warm scrape of native files, against .db files of the same series", goal: "at least 3 x", atLeast: 3}
	withNative := func(l *lab, do func(dir string) error) (err error) {
		dir, err := l.directory()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		set, err := makeNative(dir, l.model(), l.living())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, set.Close()) }()
		return do(dir)
	}
	run := func(l *lab) (err error) {
		stock, err := l.liveSet(pythonLayout, l.living(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stock.remove()) }()
		return withNative(l, func(dir string) error {
			p, err := l.twoSidecars(dir, stock.dir, func(ours, theirs answerer) error { return same(r.path, theirs, ours) })
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
