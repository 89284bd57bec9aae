//go:build linux

package main

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// maker is a side that makes metrics. Both are used through client_golang's
// interfaces, as an application does.
type maker struct {
	counter   func() prometheus.Counter
	children  func() *prometheus.CounterVec
	histogram func() prometheus.Histogram
	gauge     func() prometheus.Gauge
}

var (
	counterOpts   = prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}
	childrenOpts  = prometheus.CounterOpts{Name: "parts_total", Help: "Parts of jobs."}
	histogramOpts = prometheus.HistogramOpts{Name: "job_seconds", Help: "How long jobs took."}
	gaugeOpts     = prometheus.GaugeOpts{Name: "busy", Help: "Jobs under way."}
	latestOpts    = prometheus.GaugeOpts{Name: "version", Help: "The newest."}
)

func theirMaker() maker {
	return maker{
		counter:   func() prometheus.Counter { return prometheus.NewCounter(counterOpts) },
		children:  func() *prometheus.CounterVec { return prometheus.NewCounterVec(childrenOpts, []string{"kind"}) },
		histogram: func() prometheus.Histogram { return prometheus.NewHistogram(histogramOpts) },
		gauge:     func() prometheus.Gauge { return prometheus.NewGauge(gaugeOpts) },
	}
}

func ourMaker(f worker.Factory) maker {
	return maker{
		counter:   func() prometheus.Counter { return f.NewCounter(counterOpts) },
		children:  func() *prometheus.CounterVec { return f.NewCounterVec(childrenOpts, []string{"kind"}) },
		histogram: func() prometheus.Histogram { return f.NewHistogram(histogramOpts) },
		gauge:     func() prometheus.Gauge { return f.NewGauge(gaugeOpts) },
	}
}

// loop does something so many times.
type loop func(n int)

// twice runs a loop on each of two goroutines, n times in each.
func twice(a, b loop) loop {
	return func(n int) {
		var both sync.WaitGroup
		both.Go(func() { a(n) })
		both.Go(func() { b(n) })
		both.Wait()
	}
}

func increments(c prometheus.Counter) loop {
	return func(n int) {
		for range n {
			c.Inc()
		}
	}
}

// observations hit all buckets, one after the other.
func observations(o prometheus.Observer) loop {
	var values [64]float64
	for i := range values {
		values[i] = 0.004 * float64(int(1)<<(i*7%12))
	}
	return func(n int) {
		for i := range n {
			o.Observe(values[i%len(values)])
		}
	}
}

// writing is a row about metric calls.
type writing struct {
	row  *row
	make func(m maker) loop
	both bool // two goroutines
}

func (w *writing) pick() func([]time.Duration) time.Duration {
	if w.both {
		return median
	}
	return fastest
}

func writings() []writing {
	most := func(path, goal string, ratio float64) *row { return &row{path: path, goal: goal, atMost: ratio} }
	return []writing{
		{row: most("Counter.Inc, against client_golang", "at most 1.02 x", 1.02), make: func(m maker) loop { return increments(m.counter()) }},
		{row: most("Counter.Add(1.5), against client_golang", "at most 1.05 x", 1.05), make: func(m maker) loop {
			c := m.counter()
			return func(n int) {
				for range n {
					c.Add(1.5)
				}
			}
		}},
		{row: most("Counter.Inc, two goroutines on one counter, against client_golang", "at most 1.05 x", 1.05), make: func(m maker) loop {
			c := m.counter()
			return twice(increments(c), increments(c))
		}, both: true},
		{row: most("Counter.Inc, two goroutines on neighbouring counters, against client_golang", "at most 1.1 x", 1.1), make: func(m maker) loop {
			v := m.children()
			return twice(increments(v.WithLabelValues("a")), increments(v.WithLabelValues("b")))
		}, both: true},
		{row: most("Histogram.Observe, against client_golang", "at most 0.75 x", 0.75), make: func(m maker) loop { return observations(m.histogram()) }},
		{row: most("Histogram.Observe, two goroutines on one histogram, against client_golang", "at most 0.75 x", 0.75), make: func(m maker) loop {
			h := m.histogram()
			return twice(observations(h), observations(h))
		}, both: true},
		{row: most("Gauge.Set, against client_golang", "at most 1.1 x", 1.1), make: func(m maker) loop { return sets(m.gauge()) }},
		{row: most("Gauge.Add, against client_golang", "at most 1.1 x", 1.1), make: func(m maker) loop {
			g := m.gauge()
			return func(n int) {
				for range n {
					g.Add(1.5)
				}
			}
		}},
	}
}

func sets(g prometheus.Gauge) loop {
	return func(n int) {
		for i := range n {
			g.Set(float64(i))
		}
	}
}

// clock reads the time, and keeps the compiler from leaving it out.
func clock(n int) {
	var last time.Time
	for range n {
		last = time.Now()
	}
	if last.IsZero() && n > 0 {
		panic("no time is zero")
	}
}

// withStore runs with a store of our own, on a tmpfs as in production.
func (l *lab) withStore(do func(f worker.Factory) error) (err error) {
	dir, err := l.directory()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := worker.New(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(worker.With(store))
}

func (w *writing) group() *group {
	return &group{
		rows: []*row{w.row},
		run: func(l *lab) error {
			return l.withStore(func(f worker.Factory) error {
				ours, theirs := w.make(ourMaker(f)), w.make(theirMaker())
				p := pairs{each: l.calibrate(theirs)}
				for range of(l, racePairs, 3) {
					times := race(p.each, w.pick(), ours, theirs)
					p.add(times[0], times[1])
				}
				w.row.set(p.longer())
				return nil
			})
		},
		profile: func(l *lab) error {
			return l.withStore(func(f worker.Factory) error {
				ours := w.make(ourMaker(f))
				return l.profiled(w.row.path, l.repeatedly(func() { ours(1_000_000) }))
			})
		},
	}
}

// latestGauge is a Set of mode latest, against a Set and the clock that it must read.
func latestGauge() *group {
	r := &row{path: "Gauge.Set of mode latest, against client_golang's Gauge.Set and one time.Now", goal: "at most 1.1 x", atMost: 1.1}
	return &group{rows: []*row{r}, run: func(l *lab) error {
		return l.withStore(func(f worker.Factory) error {
			ours, theirs := sets(f.WithMode(worker.Latest).NewGauge(latestOpts)), sets(theirMaker().gauge())
			p := pairs{each: l.calibrate(ours)}
			for range of(l, racePairs, 3) {
				times := race(p.each, fastest, ours, clock, theirs)
				p.add(times[0], times[1]+times[2])
			}
			r.set(p.longer())
			return nil
		})
	}}
}

func writerGroups() []*group {
	var all []*group
	for _, w := range writings() {
		all = append(all, w.group())
	}
	return append(all, latestGauge())
}
