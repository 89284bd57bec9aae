package worker

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Each benchmark runs a metric call of client_golang's and the same of ours by
// turns, many times, so that both are of the same machine in the same
// microseconds, and reports medians: nanoseconds per call of either, and ours
// divided by theirs. Either side has a copy of the loop for itself, as its type
// parameter is another: of two methods that one instruction calls by turns, the
// processor predicts one a cycle earlier, and a locked add takes but eight.
type (
	golang   struct{}
	promfold struct{ _ int }
)

// calls is how many metric calls are timed at once: enough to drown the clock,
// few enough that most turns are not interrupted.
const calls = 5000

// A call makes so many metric calls.
type call func(n int)

// A turn makes calls metric calls and says how long they took.
type turn func() time.Duration

func versus(b *testing.B, theirs, ours turn) {
	b.Helper()
	theirs()
	ours()
	var a, o []time.Duration
	for b.Loop() {
		a = append(a, theirs())
		o = append(o, ours())
	}
	slices.Sort(a)
	slices.Sort(o)
	x, y := float64(a[len(a)/2])/calls, float64(o[len(o)/2])/calls
	b.ReportMetric(0, "ns/op") // of a turn of both: says nothing
	b.ReportMetric(x, "client_golang-ns")
	b.ReportMetric(y, "promfold-ns")
	b.ReportMetric(y/x, "ratio")
}

func alone(c call) turn {
	return func() time.Duration {
		start := time.Now()
		c(calls)
		return time.Since(start)
	}
}

// longer makes turns of several goroutines longer, as a short one is over before
// the system has given them a core each. Where it never does, they do not contend.
const longer = 100

// together is a turn of goroutines of which each makes as many calls, divided by
// longer. They begin when all of them run.
func together(each ...call) turn {
	return func() time.Duration {
		var running atomic.Int32
		var done sync.WaitGroup
		took := make([]time.Duration, len(each))
		for i, c := range each {
			done.Go(func() {
				running.Add(1)
				for int(running.Load()) < len(each) { // a Gosched would run the other here
				}
				start := time.Now()
				c(longer * calls)
				took[i] = time.Since(start)
			})
		}
		done.Wait()
		return slices.Max(took) / longer
	}
}

func incs[side any](c prometheus.Counter) call {
	return func(n int) {
		for range n {
			c.Inc()
		}
	}
}

func adds[side any](c interface{ Add(float64) }, v float64) call {
	return func(n int) {
		for range n {
			c.Add(v)
		}
	}
}

func sets[side any](g prometheus.Gauge) call {
	return func(n int) {
		for range n {
			g.Set(1.5)
		}
	}
}

func observes[side any](o prometheus.Observer, values []float64) call {
	start := 0
	return func(n int) {
		for i := start; i < start+n; i++ {
			o.Observe(values[i%many])
		}
		start += n
	}
}

// many values are more than a branch predictor remembers.
const many = 1 << 15

// pairOf is two metrics of either side, made one after the other.
func pairOf[M any](theirs, ours func(name string) M) (a, b [2]M) {
	for i, name := range []string{"first", "second"} {
		a[i], b[i] = theirs(name), ours(name)
	}
	return a, b
}

func BenchmarkCounter(b *testing.B) {
	f := With(storeIn(b))
	theirs, ours := pairOf(
		func(name string) prometheus.Counter {
			return prometheus.NewCounter(prometheus.CounterOpts{Name: name})
		},
		func(name string) prometheus.Counter { return f.NewCounter(prometheus.CounterOpts{Name: name}) })
	b.Run("Inc", func(b *testing.B) { versus(b, alone(incs[golang](theirs[0])), alone(incs[promfold](ours[0]))) })
	b.Run("Add1", func(b *testing.B) { versus(b, alone(adds[golang](theirs[0], 1)), alone(adds[promfold](ours[0], 1))) })
	b.Run("Add1.5", func(b *testing.B) {
		versus(b, alone(adds[golang](theirs[0], 1.5)), alone(adds[promfold](ours[0], 1.5)))
	})
	b.Run("Inc-contending", func(b *testing.B) {
		versus(b, together(incs[golang](theirs[0]), incs[golang](theirs[0])), together(incs[promfold](ours[0]), incs[promfold](ours[0])))
	})
	b.Run("Add1.5-contending", func(b *testing.B) {
		versus(b, together(adds[golang](theirs[0], 1.5), adds[golang](theirs[0], 1.5)), together(adds[promfold](ours[0], 1.5), adds[promfold](ours[0], 1.5)))
	})
	b.Run("Inc-neighbours", func(b *testing.B) {
		versus(b, together(incs[golang](theirs[0]), incs[golang](theirs[1])), together(incs[promfold](ours[0]), incs[promfold](ours[1])))
	})
}

// observers benchmarks values that are all the same, and values whose buckets
// nobody predicts.
func observers(b *testing.B, theirs, ours prometheus.Observer) {
	random := rand.New(rand.NewPCG(1, 2))
	same := slices.Repeat([]float64{0.3}, many)
	changing := make([]float64, many)
	for i := range changing {
		changing[i] = random.ExpFloat64()
	}
	b.Run("Observe", func(b *testing.B) {
		versus(b, alone(observes[golang](theirs, same)), alone(observes[promfold](ours, same)))
	})
	b.Run("Observe-changing", func(b *testing.B) {
		versus(b, alone(observes[golang](theirs, changing)), alone(observes[promfold](ours, changing)))
	})
	b.Run("Observe-contending", func(b *testing.B) {
		versus(b, together(observes[golang](theirs, same), observes[golang](theirs, same)), together(observes[promfold](ours, same), observes[promfold](ours, same)))
	})
}

func BenchmarkHistogram(b *testing.B) {
	o := prometheus.HistogramOpts{Name: "h"}
	observers(b, prometheus.NewHistogram(o), With(storeIn(b)).NewHistogram(o))
}

func BenchmarkHistogramOf100(b *testing.B) {
	o := prometheus.HistogramOpts{Name: "h", Buckets: prometheus.ExponentialBucketsRange(0.001, 100, 100)}
	observers(b, prometheus.NewHistogram(o), With(storeIn(b)).NewHistogram(o))
}

func BenchmarkSummary(b *testing.B) {
	o := prometheus.SummaryOpts{Name: "s"}
	observers(b, prometheus.NewSummary(o), With(storeIn(b)).NewSummary(o))
}

func BenchmarkGauge(b *testing.B) {
	o := prometheus.GaugeOpts{Name: "g"}
	theirs, ours := prometheus.NewGauge(o), With(storeIn(b)).NewGauge(o)
	b.Run("Set", func(b *testing.B) { versus(b, alone(sets[golang](theirs)), alone(sets[promfold](ours))) })
	b.Run("Add", func(b *testing.B) { versus(b, alone(adds[golang](theirs, 1.5)), alone(adds[promfold](ours, 1.5))) })
	b.Run("Add-contending", func(b *testing.B) {
		versus(b, together(adds[golang](theirs, 1.5), adds[golang](theirs, 1.5)), together(adds[promfold](ours, 1.5), adds[promfold](ours, 1.5)))
	})
}

// BenchmarkGaugeLatest sets a gauge of mode latest, beside client_golang's and a
// look at the clock.
func BenchmarkGaugeLatest(b *testing.B) {
	o := prometheus.GaugeOpts{Name: "g"}
	theirs, ours := prometheus.NewGauge(o), With(storeIn(b)).WithMode(Latest).NewGauge(o)
	clock := func(n int) {
		for range n {
			theirs.Set(float64(time.Now().UnixNano()))
		}
	}
	versus(b, alone(clock), alone(sets[promfold](ours)))
}

func BenchmarkWithLabelValues(b *testing.B) {
	o := prometheus.CounterOpts{Name: "v"}
	labels := []string{"code", "method"}
	look := func(vec *prometheus.CounterVec) call {
		return func(n int) {
			for range n {
				vec.WithLabelValues("200", "GET").Inc()
			}
		}
	}
	versus(b, alone(look(prometheus.NewCounterVec(o, labels))), alone(look(With(storeIn(b)).NewCounterVec(o, labels))))
}
