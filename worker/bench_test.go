package worker

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Each benchmark runs once on client_golang's metric and once on ours, so that
// the two figures are of the same machine in the same minute.

func counters(b *testing.B, run func(b *testing.B, c prometheus.Counter)) {
	o := prometheus.CounterOpts{Name: "c"}
	b.Run("client_golang", func(b *testing.B) { run(b, prometheus.NewCounter(o)) })
	b.Run("promfold", func(b *testing.B) { run(b, With(storeIn(b)).NewCounter(o)) })
}

func BenchmarkInc(b *testing.B) {
	counters(b, func(b *testing.B, c prometheus.Counter) {
		for b.Loop() {
			c.Inc()
		}
	})
}

func BenchmarkIncParallel(b *testing.B) {
	counters(b, func(b *testing.B, c prometheus.Counter) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Inc()
			}
		})
	})
}

func BenchmarkAdd1(b *testing.B) {
	counters(b, func(b *testing.B, c prometheus.Counter) {
		for b.Loop() {
			c.Add(1)
		}
	})
}

func BenchmarkAdd1_5(b *testing.B) {
	counters(b, func(b *testing.B, c prometheus.Counter) {
		for b.Loop() {
			c.Add(1.5)
		}
	})
}

func benchmarkObserver(b *testing.B, theirs, ours prometheus.Observer) {
	for _, o := range []struct {
		name     string
		observer prometheus.Observer
	}{{"client_golang", theirs}, {"promfold", ours}} {
		b.Run(o.name, func(b *testing.B) {
			for b.Loop() {
				o.observer.Observe(0.3)
			}
		})
		b.Run(o.name+"-parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					o.observer.Observe(0.3)
				}
			})
		})
	}
}

func BenchmarkHistogram(b *testing.B) {
	o := prometheus.HistogramOpts{Name: "h"}
	benchmarkObserver(b, prometheus.NewHistogram(o), With(storeIn(b)).NewHistogram(o))
}

func BenchmarkSummary(b *testing.B) {
	o := prometheus.SummaryOpts{Name: "s"}
	benchmarkObserver(b, prometheus.NewSummary(o), With(storeIn(b)).NewSummary(o))
}

func BenchmarkGauge(b *testing.B) {
	o := prometheus.GaugeOpts{Name: "g"}
	s := storeIn(b)
	for _, g := range []struct {
		name  string
		gauge prometheus.Gauge
	}{
		{"client_golang", prometheus.NewGauge(o)},
		{"promfold", With(s).NewGauge(o)},
		{"promfold-latest", With(s).WithMode(Latest).NewGauge(prometheus.GaugeOpts{Name: "l"})},
	} {
		b.Run("Set/"+g.name, func(b *testing.B) {
			for b.Loop() {
				g.gauge.Set(1.5)
			}
		})
		b.Run("Inc/"+g.name, func(b *testing.B) {
			for b.Loop() {
				g.gauge.Inc()
			}
		})
	}
}

func BenchmarkWithLabelValues(b *testing.B) {
	o := prometheus.CounterOpts{Name: "v"}
	labels := []string{"code", "method"}
	for name, vec := range map[string]*prometheus.CounterVec{
		"client_golang": prometheus.NewCounterVec(o, labels),
		"promfold":      With(storeIn(b)).NewCounterVec(o, labels),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				vec.WithLabelValues("200", "GET").Inc()
			}
		})
	}
}
