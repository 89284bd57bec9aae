//go:build linux

package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	crowdScrapers = 50
	crowdWorkers  = 4
)

// crowd is many scrapers at once, and what the application feels of them.
type crowd struct{ latency, rare, merging *row }

func newCrowd() *group {
	c := &crowd{
		latency: &row{
			path: "p99 of 64 Counter.Inc in 4 busy workers, beside 50 scrapers at once for 10 s, against none", goal: "at most 1.1 x", atMost: 1.1,
		},
		rare:    &row{path: "p99.9 of the same"},
		merging: &row{path: "merges under way at a time, of 50 scrapers at once", goal: "at most 1", atMost: 1},
	}
	return &group{rows: []*row{c.latency, c.rare, c.merging}, run: c.run}
}

func (c *crowd) run(l *lab) (err error) {
	set, err := l.liveSet(pythonLayout, l.living(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.remove()) }()
	workers, err := l.startBusy(set.dir, crowdWorkers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workers.close()) }()
	s, err := l.warm(set.dir)
	if err != nil {
		return err
	}
	defer s.close()
	before, err := s.samples()
	if err != nil {
		return err
	}
	answers, passed, err := c.alternate(l, workers, s)
	if err != nil {
		return err
	}
	after, err := s.samples()
	if err != nil {
		return err
	}
	c.tell(before, after, answers, passed)
	return nil
}

// alternate times the workers with and without scrapers, in turn.
func (c *crowd) alternate(l *lab, workers busyWorkers, s *sidecar) (answers int64, passed time.Duration, err error) {
	var p, rare pairs
	for range of(l, 5, 2) {
		without, rarelyWithout, err := workers.percentiles(of(l, 2*time.Second, 100*time.Millisecond))
		if err != nil {
			return 0, 0, err
		}
		began := time.Now()
		load, err := startScrapers(s.address, crowdScrapers)
		if err != nil {
			return 0, 0, err
		}
		with, rarelyWith, err := workers.percentiles(of(l, 2*time.Second, 100*time.Millisecond))
		n, ended := load.stop()
		passed += time.Since(began)
		if err = errors.Join(err, ended); err != nil {
			return 0, 0, err
		}
		answers += n
		p.add(with, without)
		rare.add(rarelyWith, rarelyWithout)
	}
	c.latency.set(p.longer())
	c.rare.set(rare.longer())
	return answers, passed, nil
}

func (c *crowd) tell(before, after *exposition, answers int64, passed time.Duration) {
	merges := after.Sum("promfold_merge_duration_seconds_count") - before.Sum("promfold_merge_duration_seconds_count") - 1
	seconds := after.Sum("promfold_merge_duration_seconds_sum") - before.Sum("promfold_merge_duration_seconds_sum")
	o := figure(seconds/passed.Seconds(), "")
	o.ours = fmt.Sprintf("%d answers from %.0f merges, %.3g ms each", answers, merges, 1000*seconds/max(merges, 1))
	c.merging.set(o)
}

// scrapers ask as fast as they can.
type scrapers struct {
	quit    atomic.Bool
	answers atomic.Int64
	ended   sync.WaitGroup

	mu  sync.Mutex // guards err
	err error
}

func startScrapers(address string, many int) (*scrapers, error) {
	load := &scrapers{}
	for range many {
		s, err := connect(address)
		if err != nil {
			_, stopped := load.stop()
			return nil, errors.Join(err, stopped)
		}
		load.ended.Go(func() {
			defer func() { _ = s.conn.Close() }()
			for !load.quit.Load() {
				if _, err := s.scrape(); err != nil {
					load.mu.Lock()
					load.err = errors.Join(load.err, err)
					load.mu.Unlock()
					return
				}
				load.answers.Add(1)
			}
		})
	}
	return load, nil
}

// stop waits for the answers under way.
func (l *scrapers) stop() (answers int64, err error) {
	l.quit.Store(true)
	l.ended.Wait()
	return l.answers.Load(), l.err
}
