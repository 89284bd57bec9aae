//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"
)

// redisIncrements is how fast one process counts: with prometheus-distributed-client,
// which asks Redis at each call, beside files that promfold publishes to the same
// Redis meanwhile.
type redisIncrements struct {
	files, here *row // client_python's files; promfold's, of this process in Go
	sample      string
	call        func(side redisCaller, n int) (time.Duration, error)
	// Calls of a measurement take about a second, in which there is a publication.
	pdc, python, golang int
}

// redisCaller is a process that counts.
type redisCaller interface {
	inc(n int) (time.Duration, error)
	observe(n int) (time.Duration, error)
}

// redisFirst is how many calls of each kind come before anything is timed: as many
// for each series, of as many values.
const redisFirst = 240

func redisSpeeds() []*group {
	var all []*group
	for _, r := range []*redisIncrements{
		{
			files:  &row{path: "Counter.labels().inc() of Python, client_python's files published to Redis each second, against prometheus-distributed-client on it"},
			here:   &row{path: "Counter.WithLabelValues().Inc() of Go, promfold's files published likewise, against prometheus-distributed-client's inc()"},
			sample: "jobs_total", call: redisCaller.inc, pdc: 3000, python: 500_000, golang: 10_000_000,
		},
		{
			files:  &row{path: "Histogram.labels().observe() of Python, client_python's files published to Redis each second, against prometheus-distributed-client on it"},
			here:   &row{path: "Histogram.WithLabelValues().Observe() of Go, promfold's files published likewise, against prometheus-distributed-client's observe()"},
			sample: "job_seconds_count", call: redisCaller.observe, pdc: 400, python: 300_000, golang: 10_000_000,
		},
	} {
		all = append(all, &group{rows: []*row{r.files, r.here}, run: r.run})
	}
	return all
}

func (r *redisIncrements) run(l *lab) (err error) {
	server, err := l.redis()
	if err != nil {
		return err
	}
	defer server.close()
	sides, err := l.redisSides(server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sides.close()) }()
	if err := sides.begin(r.files.path); err != nil {
		return err
	}
	files, here := &pairs{}, &pairs{}
	inPython, inGo := redisFirst, redisFirst
	for range l.pairs() {
		theirs, err := r.each(sides.pdc, of(l, r.pdc, 20))
		if err != nil {
			return err
		}
		python, err := r.each(sides.files.caller, of(l, r.python, 1000))
		if err != nil {
			return err
		}
		golang, err := r.each(sides.here.caller, of(l, r.golang, 1000))
		if err != nil {
			return err
		}
		files.add(python, theirs)
		here.add(golang, theirs)
		inPython, inGo = inPython+of(l, r.python, 1000), inGo+of(l, r.golang, 1000)
	}
	if err := errors.Join(sides.files.fleet.await(r.sample, inPython), sides.here.fleet.await(r.sample, inGo)); err != nil {
		return err
	}
	r.files.set(perSecond(files))
	r.here.set(perSecond(here))
	return nil
}

// each is the time of a thousand calls, as one of them may take a few nanoseconds.
func (r *redisIncrements) each(side redisCaller, n int) (time.Duration, error) {
	took, err := r.call(side, n)
	return took * 1000 / time.Duration(n), err
}

// perSecond tells what was timed by the thousand.
func perSecond(p *pairs) outcome {
	o := p.faster()
	tell := func(thousand time.Duration) string { return fmt.Sprintf("%.3g/s", 1000/thousand.Seconds()) }
	o.ours, o.theirs = tell(median(p.ours)), tell(median(p.theirs))
	return o
}
