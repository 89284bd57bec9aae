package worker

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Counts made by many goroutines before, while and after a store is opened are
// all in the file.
func TestOpenLosesNothing(t *testing.T) {
	const goroutines, each = 8, 20_000
	for round := range 10 {
		s := newStore()
		f := With(s)
		counter := f.NewCounter(prometheus.CounterOpts{Name: "c_total"})
		vec := f.NewCounterVec(prometheus.CounterOpts{Name: "v_total"}, []string{"g"})
		hist := f.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}})
		sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"})
		gauge := f.NewGauge(prometheus.GaugeOpts{Name: "g"})
		timed := f.WithMode(Latest).NewGauge(prometheus.GaugeOpts{Name: "l"})
		var running, done sync.WaitGroup
		running.Add(goroutines)
		for g := range goroutines {
			done.Go(func() {
				label := fmt.Sprint(g % 3)
				for i := range each {
					if i == each/10*(round%3) {
						running.Done()
					}
					counter.Inc()
					counter.Add(0.5)
					vec.WithLabelValues(label).Inc()
					hist.Observe(1)
					sum.Observe(2)
					gauge.Add(1)
					timed.Add(1)
				}
			})
		}
		running.Wait()
		if err := s.open(t.TempDir(), nil); err != nil {
			t.Fatal(err)
		}
		done.Wait()
		const n = goroutines * each
		wantInFile(t, s, "c_total{}", 1.5*n)
		wantInFile(t, s, "h{}", n)
		wantInFile(t, s, "s{}", 2*n)
		wantInFile(t, s, "g{}", n)
		wantInFile(t, s, "l{}", n)
		file := readFile(t, s.Path())
		if file["h{}"].words[1] != n || file["s{}"].words[1] != n {
			t.Errorf("counts: %v %v", file["h{}"].words, file["s{}"].words)
		}
		total := 0.0
		for g := range 3 {
			total += file[fmt.Sprintf(`v_total{g="%d"}`, g)].value()
		}
		if total != n || testutil.ToFloat64(counter) != 1.5*n {
			t.Errorf("in the Vec %v, in the process %v", total, testutil.ToFloat64(counter))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What was deleted before Open gets no place in the file.
func TestDeletedBeforeOpen(t *testing.T) {
	s := newStore()
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	vec.WithLabelValues("gone").Inc()
	vec.WithLabelValues("again").Inc()
	vec.Reset()
	vec.WithLabelValues("again").Add(5)
	if err := s.open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if file := readFile(t, s.Path()); len(file) != 1 || file[`v{a="again"}`].value() != 5 {
		t.Errorf("in the file: %v", file)
	}
}

// Metrics outlive their store: calls after Close do not fail, the process goes
// on seeing its counts, and the file keeps what it had.
func TestAfterClose(t *testing.T) {
	s := storeIn(t)
	f := With(s)
	c := f.NewCounter(prometheus.CounterOpts{Name: "c"})
	g := f.WithMode(Latest).NewGauge(prometheus.GaugeOpts{Name: "g"})
	h := f.NewHistogramVec(prometheus.HistogramOpts{Name: "h"}, []string{"a"})
	c.Add(2)
	g.Set(3)
	h.WithLabelValues("x").Observe(1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c.Inc()
	c.Add(0.5)
	g.Add(1)
	h.WithLabelValues("x").Observe(1)
	h.WithLabelValues("y").Observe(1)
	h.Reset()
	s.Flush()
	f.NewCounter(prometheus.CounterOpts{Name: "late"}).Inc()
	if testutil.ToFloat64(c) != 3.5 || testutil.ToFloat64(g) != 4 {
		t.Errorf("the process sees %v and %v", testutil.ToFloat64(c), testutil.ToFloat64(g))
	}
	wantInFile(t, s, "c{}", 2)
	wantInFile(t, s, "g{}", 3)
	wantInFile(t, s, `h{a="x"}`, 1)
}

// Counts made while Close runs, and acknowledged before it was called, are in the
// file; no goroutine is left.
func TestCloseBesideCounts(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		s, err := New(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c := With(s).NewCounter(prometheus.CounterOpts{Name: "c"})
		var done sync.WaitGroup
		var acknowledged [2]float64
		stop := make(chan struct{})
		for range 2 {
			done.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						c.Inc()
					}
				}
			})
		}
		acknowledged[0] = testutil.ToFloat64(c)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		acknowledged[1] = inFile(t, s, "c{}")
		close(stop)
		done.Wait()
		if acknowledged[1] < acknowledged[0] || inFile(t, s, "c{}") != acknowledged[1] {
			t.Errorf("before Close %v, after %v, at the end %v", acknowledged[0], acknowledged[1], inFile(t, s, "c{}"))
		}
	}
	// A goroutine that is done may take a moment to go.
	eventually(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}
