package worker

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// However a child is deleted, its series is marked in the file; the others are
// not touched, and who kept the child can go on using it.
func TestDelete(t *testing.T) {
	s := storeIn(t)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a", "b"})
	for _, a := range []string{"1", "2", "3", "4"} {
		vec.WithLabelValues(a, "x").Inc()
	}
	held := vec.WithLabelValues("1", "x")
	vec.DeleteLabelValues("1", "x")
	vec.Delete(prometheus.Labels{"a": "2", "b": "x"})
	vec.DeletePartialMatch(prometheus.Labels{"a": "3"})
	s.Flush()
	for _, a := range []string{"1", "2", "3"} {
		wantGone(t, s, fmt.Sprintf(`v{a=%q,b="x"}`, a))
	}
	wantInFile(t, s, `v{a="4",b="x"}`, 1)
	held.Inc()
	if v := testutil.ToFloat64(held); v != 2 {
		t.Errorf("held child shows %v", v)
	}
	if n := testutil.CollectAndCount(vec); n != 1 || s.Stats().Series != 1 {
		t.Errorf("%d series in the Vec, %d in the store", n, s.Stats().Series)
	}
	vec.Reset()
	s.Flush()
	wantGone(t, s, `v{a="4",b="x"}`)
}

// A child made again has its old place: the file goes on from the old counts,
// the process sees the new life alone, and the old child disturbs neither.
func TestRecreate(t *testing.T) {
	for _, flushed := range []bool{false, true} {
		s := storeIn(t)
		vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
		hist := With(s).NewHistogramVec(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}}, []string{"a"})
		gauge := With(s).NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"a"})
		timed := With(s).WithMode(Latest).NewGaugeVec(prometheus.GaugeOpts{Name: "l"}, []string{"a"})
		old, oldGauge := vec.WithLabelValues("x"), gauge.WithLabelValues("x")
		old.Add(10.5)
		hist.WithLabelValues("x").Observe(1)
		oldGauge.Set(7)
		timed.WithLabelValues("x").Set(7)
		vec.Reset()
		hist.Reset()
		gauge.Reset()
		timed.Reset()
		if flushed {
			s.Flush()
		}
		vec.WithLabelValues("x").Add(2)
		hist.WithLabelValues("x").Observe(2)
		hist.WithLabelValues("x").Observe(3)
		gauge.WithLabelValues("x").Inc()
		timed.WithLabelValues("x").Inc()
		old.Add(100)
		oldGauge.Add(100)
		wantInFile(t, s, `v{a="x"}`, 12.5)
		wantInFile(t, s, `h{a="x"}`, 6)
		wantInFile(t, s, `g{a="x"}`, 1)
		wantInFile(t, s, `l{a="x"}`, 1)
		if a, b := testutil.ToFloat64(vec), testutil.ToFloat64(old); a != 2 || b != 110.5 {
			t.Errorf("the new child shows %v, the old %v", a, b)
		}
		fresh := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}}, []string{"a"})
		fresh.WithLabelValues("x").Observe(2)
		fresh.WithLabelValues("x").Observe(3)
		sameText(t, "h", hist, fresh)
	}
}

// Curried Vecs and their base are one.
func TestCurry(t *testing.T) {
	s := storeIn(t)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a", "b"})
	curried := vec.MustCurryWith(prometheus.Labels{"a": "1"})
	curried.WithLabelValues("x").Inc()
	vec.WithLabelValues("1", "x").Inc()
	wantInFile(t, s, `v{a="1",b="x"}`, 2)
	curried.DeleteLabelValues("x")
	s.Flush()
	wantGone(t, s, `v{a="1",b="x"}`)
}

// A file does not grow by being reset: series have their old places back.
func TestResetCycles(t *testing.T) {
	s := storeIn(t)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	cycle := func() {
		for i := range 5 {
			vec.WithLabelValues(fmt.Sprint(i)).Inc()
		}
		vec.Reset()
	}
	cycle()
	s.Flush()
	cycle()
	series, size := len(readFile(t, s.Path())), fileSize(t, s)
	for i := range 10_000 {
		cycle()
		if i%1000 == 0 {
			s.Flush()
		}
	}
	if n := len(readFile(t, s.Path())); n != series || fileSize(t, s) != size {
		t.Errorf("%d series, before %d; %d bytes, before %d", n, series, fileSize(t, s), size)
	}
	vec.WithLabelValues("0").Inc()
	wantInFile(t, s, `v{a="0"}`, 10_003)
}

func fileSize(t *testing.T, s *Store) int64 {
	t.Helper()
	st, err := os.Stat(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// Creation, deletion, counting and upkeep may meet in any order. What is there
// in the end, and never was deleted, is exact.
func TestDeleteStorm(t *testing.T) {
	s := storeIn(t)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	kept := vec.WithLabelValues("kept")
	var done sync.WaitGroup
	const each = 3000
	for g := range 4 {
		done.Go(func() {
			for i := range each {
				kept.Inc()
				vec.WithLabelValues(fmt.Sprint(i % 7)).Inc()
				switch {
				case g == 0:
					vec.DeleteLabelValues(fmt.Sprint(i % 5))
				case g == 1 && i%10 == 0:
					s.Flush()
				}
			}
		})
	}
	done.Wait()
	wantInFile(t, s, `v{a="kept"}`, 4*each)
	for i := range 7 {
		vec.DeleteLabelValues(fmt.Sprint(i))
	}
	s.Flush()
	for i := range 7 {
		wantGone(t, s, fmt.Sprintf(`v{a="%d"}`, i))
	}
	if n := s.Stats().Series; n != 1 {
		t.Errorf("%d series are left", n)
	}
}
