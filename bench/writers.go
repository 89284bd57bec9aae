//go:build linux

package main

import (
	"errors"
	"os"
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

// writing is a row about metric calls. Either side has a copy of the loop for itself,
// as its type parameter is another: of two methods that one instruction calls by
// turns, the processor predicts one sooner, and a locked add takes but a few cycles.
type writing struct {
	row          *row
	ours, theirs func(m maker) turn
	contending   bool
}

type (
	promfold struct{ _ int }
	golang   struct{}
)

func (w *writing) pick() func([]time.Duration) time.Duration {
	if w.contending {
		return median
	}
	return fastest
}

func (w *writing) slice(l *lab) time.Duration {
	if w.contending {
		return longer * l.slice()
	}
	return l.slice()
}

func writings() []writing {
	most := func(path, goal string, ratio float64) *row { return &row{path: path, goal: goal, atMost: ratio} }
	return []writing{
		{row: most("Counter.Inc, against client_golang", "at most 1.02 x", 1.02), ours: inc[promfold], theirs: inc[golang]},
		{row: most("Counter.Add(1.5), against client_golang", "at most 1.05 x", 1.05), ours: add[promfold], theirs: add[golang]},
		{
			row:  most("Counter.Inc, two goroutines on one counter, against client_golang", "at most 1.05 x", 1.05),
			ours: incOfOne[promfold], theirs: incOfOne[golang], contending: true,
		},
		{
			row:  most("Counter.Inc, two goroutines on neighbouring counters, against client_golang", "at most 1.1 x", 1.1),
			ours: incOfNeighbours[promfold], theirs: incOfNeighbours[golang], contending: true,
		},
		{row: most("Histogram.Observe, against client_golang", "at most 0.75 x", 0.75), ours: observe[promfold], theirs: observe[golang]},
		{
			row:  most("Histogram.Observe, two goroutines on one histogram, against client_golang", "at most 0.75 x", 0.75),
			ours: observeOfOne[promfold], theirs: observeOfOne[golang], contending: true,
		},
		{row: most("Gauge.Set, against client_golang", "at most 1.1 x", 1.1), ours: set[promfold], theirs: set[golang]},
		{row: most("Gauge.Add, against client_golang", "at most 1.1 x", 1.1), ours: addToGauge[promfold], theirs: addToGauge[golang]},
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
				ours, theirs := w.ours(ourMaker(f)), w.theirs(theirMaker())
				p := pairs{each: calibrate(theirs, w.slice(l))}
				for range of(l, racePairs, 3) {
					if times, ok := race(p.each, w.pick(), ours, theirs); ok {
						p.add(times[0], times[1])
					}
				}
				if few := len(p.ours); few < of(l, 5, 1) {
					l.say("  in %d pairs alone had each goroutine a core for itself", few)
					return nil
				}
				w.row.set(p.longer())
				return nil
			})
		},
		profile: func(l *lab) error {
			return l.withStore(func(f worker.Factory) error {
				ours := w.ours(ourMaker(f))
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
			ours, theirs := alone(sets[promfold](f.WithMode(worker.Latest).NewGauge(latestOpts))), set[golang](theirMaker())
			p := pairs{each: calibrate(ours, l.slice())}
			for range of(l, racePairs, 3) {
				times, _ := race(p.each, fastest, ours, alone(clock), theirs)
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
