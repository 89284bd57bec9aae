package worker

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Property: no metric call allocates, be the metric in the file or waiting for it.
func TestMetricCallsDoNotAllocate(t *testing.T) {
	for _, open := range []bool{false, true} {
		s := newStore()
		if open {
			s = storeIn(t)
		}
		f := With(s)
		c := f.NewCounter(prometheus.CounterOpts{Name: "c"})
		g := f.NewGauge(prometheus.GaugeOpts{Name: "g"})
		l := f.WithMode(Latest).NewGauge(prometheus.GaugeOpts{Name: "l"})
		h := f.NewHistogram(prometheus.HistogramOpts{Name: "h"})
		sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"})
		for name, call := range map[string]func(){
			"Counter.Inc":               c.Inc,
			"Counter.Add whole":         func() { c.Add(2) },
			"Counter.Add":               func() { c.Add(1.5) },
			"Counter.Add rejected":      func() { c.Add(-1) },
			"Gauge.Set":                 func() { g.Set(1.5) },
			"Gauge.SetToCurrentTime":    g.SetToCurrentTime,
			"Gauge.Inc":                 g.Inc,
			"Gauge.Dec":                 g.Dec,
			"Gauge.Add":                 func() { g.Add(1.5) },
			"Gauge.Sub":                 func() { g.Sub(1.5) },
			"Gauge.Set of mode latest":  func() { l.Set(1.5) },
			"Gauge.Add of mode latest":  func() { l.Add(1.5) },
			"Histogram.Observe":         func() { h.Observe(0.3) },
			"Summary.Observe":           func() { sum.Observe(0.3) },
			"Histogram.Observe of more": func() { h.Observe(100) },
		} {
			if n := testing.AllocsPerRun(100, call); n != 0 {
				t.Errorf("%s, open %v: %v allocations", name, open, n)
			}
		}
	}
}
