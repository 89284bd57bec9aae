//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// redisSides are processes that count the same: one keeps all of it on a Redis, the
// others in files, which promfold publishes to that Redis.
type redisSides struct {
	pdc         *redisPython
	files, here *redisFiles
	ends        []func() error
}

func (l *lab) redisSides(server *redisServer) (_ *redisSides, err error) {
	s := &redisSides{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.pdc, err = l.pdcProcess(server); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, s.pdc.end)
	if s.files, err = l.published(server, "python", s); err != nil {
		return nil, err
	}
	python, err := l.filesPython(s.files.dir)
	if err != nil {
		return nil, err
	}
	s.files.caller = python
	s.ends = append(s.ends, python.end)
	if s.here, err = l.published(server, "go", s); err != nil {
		return nil, err
	}
	here, err := countHere(s.here.dir)
	if err != nil {
		return nil, err
	}
	s.here.caller = here
	s.ends = append(s.ends, here.store.Close)
	return s, nil
}

// begin lets all sides count a little, and compares what is exposed of it.
func (s *redisSides) begin(what string) error {
	for _, side := range []redisCaller{s.pdc, s.files.caller, s.here.caller} {
		if _, err := side.inc(redisFirst); err != nil {
			return err
		}
		if _, err := side.observe(redisFirst); err != nil {
			return err
		}
	}
	want, err := s.pdc.samples()
	if err != nil {
		return err
	}
	for _, f := range []*redisFiles{s.files, s.here} {
		if err := f.fleet.await("job_seconds_count", redisFirst); err != nil {
			return err
		}
		if err := same(what, already(want), f.fleet.last); err != nil {
			return err
		}
	}
	return nil
}

// close ends in the order in which nobody misses another.
func (s *redisSides) close() error {
	var errs []error
	for i := len(s.ends) - 1; i >= 0; i-- {
		errs = append(errs, s.ends[i]())
	}
	return errors.Join(errs...)
}

// redisFiles is a process that counts in files, and what is published of them.
type redisFiles struct {
	dir    string
	caller redisCaller
	fleet  *redisFleet
}

// published publishes a directory, and shows what was published. The sides close it.
func (l *lab) published(server *redisServer, namespace string, sides *redisSides) (*redisFiles, error) {
	dir, err := l.directory()
	if err != nil {
		return nil, err
	}
	sides.ends = append(sides.ends, func() error { return os.RemoveAll(dir) })
	end, err := l.publisher(server, namespace, dir)
	if err != nil {
		return nil, err
	}
	sides.ends = append(sides.ends, end)
	f, err := l.fleet(server, namespace)
	if err != nil {
		return nil, err
	}
	sides.ends = append(sides.ends, func() error { f.close(); return nil })
	return &redisFiles{dir: dir, fleet: f}, nil
}

// redisHere counts as the processes of Python do, in this one.
type redisHere struct {
	store     *worker.Store
	change    func() // of all else, if there is something
	jobs      *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func countHere(dir string) (*redisHere, error) {
	store, err := worker.New(dir)
	if err != nil {
		return nil, err
	}
	f, labels := worker.With(store), []string{"queue"}
	return &redisHere{
		store: store,
		jobs:  f.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}, labels),
		durations: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "job_seconds", Help: "How long jobs took.", Buckets: wideBounds, // client_python's
		}, labels),
	}, nil
}

func (h *redisHere) inc(n int) (time.Duration, error) {
	began := time.Now()
	for i := range n {
		h.jobs.WithLabelValues(redisQueues[i%len(redisQueues)]).Inc()
	}
	return time.Since(began), nil
}

func (h *redisHere) observe(n int) (time.Duration, error) {
	began := time.Now()
	for i := range n {
		h.durations.WithLabelValues(redisQueues[i%len(redisQueues)]).Observe(redisSeconds[i%len(redisSeconds)])
	}
	return time.Since(began), nil
}

// What the scripts count, too.
var redisQueues, redisSeconds = func() (queues []string, seconds []float64) {
	for n := range 20 {
		queues = append(queues, fmt.Sprintf("queue-%02d", n))
	}
	for second := 1.0 / 256; second <= 8; second *= 2 {
		seconds = append(seconds, second)
	}
	return queues, seconds
}()
