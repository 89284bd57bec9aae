package worker

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A collector that is registered again goes on in its old place: what it counted
// before is there once, and what it counted meanwhile moves in.
func TestRegisterAgain(t *testing.T) {
	for _, early := range []bool{false, true} {
		s := newStore()
		open := func() {
			if err := s.open(t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if !early {
			open()
		}
		f := With(s)
		single := f.NewCounter(prometheus.CounterOpts{Name: "c"})
		vec := f.NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
		hist := f.NewHistogramVec(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}}, []string{"a"})
		gauge := f.WithMode(Sum).NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"a"})
		timed := f.WithMode(Latest).NewGauge(prometheus.GaugeOpts{Name: "l"})
		sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"})
		empty := f.WithMode(Sum).NewGaugeVec(prometheus.GaugeOpts{Name: "e"}, []string{"a"})
		count := func() {
			single.Add(1.5)
			vec.WithLabelValues("x").Inc()
			hist.WithLabelValues("x").Observe(2)
			gauge.WithLabelValues("x").Inc()
			timed.Inc()
			sum.Observe(3)
		}
		all := []prometheus.Collector{single, vec, hist, gauge, timed, sum, empty}
		count()
		for range 2 {
			for _, c := range all {
				if !s.Unregister(c) {
					t.Fatal("not found")
				}
			}
			count()
			vec.WithLabelValues("new").Inc()
			s.Registerer().MustRegister(all...)
			count()
		}
		if early {
			open()
		}
		empty.WithLabelValues("x").Set(1)
		s.Flush()
		for key, want := range map[string]float64{
			"c{}": 7.5, `v{a="x"}`: 5, `v{a="new"}`: 2, `h{a="x"}`: 10, `g{a="x"}`: 5, "l{}": 5, "s{}": 15,
		} {
			wantInFile(t, s, key, want)
		}
		file := readFile(t, s.Path())
		if n := file[`h{a="x"}`].words[2]; n != 5 {
			t.Errorf("%d observations", n)
		}
		if a, b := testutil.ToFloat64(single), testutil.ToFloat64(gauge); a != 7.5 || b != 5 {
			t.Errorf("the process sees %v and %v", a, b)
		}
		if g, e := file[`g{a="x"}`].family.Mode, file[`e{a="x"}`].family.Mode; g != Sum || !early && e != Sum {
			t.Errorf("modes %v and %v", g, e)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Counts beside registrations that come and go are all in the file in the end.
func TestRegisterAgainStorm(t *testing.T) {
	s := storeIn(t)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
	const goroutines, each = 4, 5000
	var done sync.WaitGroup
	for range goroutines {
		done.Go(func() {
			for i := range each {
				vec.WithLabelValues(fmt.Sprint(i % 3)).Inc()
			}
		})
	}
	for range 200 {
		s.Unregister(vec)
		s.Registerer().MustRegister(vec)
	}
	done.Wait()
	total := 0.0
	for i := range 3 {
		total += inFile(t, s, fmt.Sprintf(`v{a="%d"}`, i))
	}
	if total != goroutines*each {
		t.Errorf("%v in the file, want %v", total, goroutines*each)
	}
}

// A new Vec that took the place meanwhile has its counts kept, and the old one
// adds only what is its own.
func TestRegisterAgainAfterAnother(t *testing.T) {
	s := storeIn(t)
	o := prometheus.CounterOpts{Name: "v"}
	first := With(s).NewCounterVec(o, []string{"a"})
	first.WithLabelValues("x").Add(10)
	s.Unregister(first)
	second := With(s).NewCounterVec(o, []string{"a"})
	second.WithLabelValues("x").Add(5)
	s.Unregister(second)
	s.Registerer().MustRegister(first)
	first.WithLabelValues("x").Inc()
	wantInFile(t, s, `v{a="x"}`, 16)
	if v := testutil.ToFloat64(first); v != 11 {
		t.Errorf("the process sees %v", v)
	}
}

// There may be no room for the tombstone of a series that comes back.
func TestRegisterAgainWithoutRoom(t *testing.T) {
	s, file := fullStore(t)
	c := With(s).NewCounter(prometheus.CounterOpts{Name: "c"})
	g := With(s).NewGauge(prometheus.GaugeOpts{Name: "g"})
	c.Add(10)
	g.Set(4)
	for _, full := range []bool{true, false, true} {
		file.noRoom.Store(full)
		s.Unregister(c)
		s.Unregister(g)
		s.Flush()
		c.Inc()
		g.Inc()
		s.Registerer().MustRegister(c, g)
		s.Flush()
	}
	file.noRoom.Store(false)
	s.Flush()
	wantInFile(t, s, "c{}", 13)
	wantInFile(t, s, "g{}", 7)
	if v := testutil.ToFloat64(c); v != 13 {
		t.Errorf("the process sees %v", v)
	}
}

// A snapshotted series that was native in between is not counted twice.
func TestSnapshotAfterNative(t *testing.T) {
	s := storeIn(t)
	g := &scripted{}
	s.AddGatherer(g)
	show := func(v float64) {
		g.show(nil, false, counterFamily("c", map[string]float64{"x": v}))
		s.Flush()
	}
	show(10)
	native := With(s).NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"a"})
	for _, round := range []bool{true, false} {
		if round {
			s.Flush()
		}
		native.WithLabelValues("x").Add(5)
		s.Unregister(native)
		show(10)
		if round {
			wantInFile(t, s, `c{a="x"}`, 15)
			s.Registerer().MustRegister(native)
		}
	}
	wantInFile(t, s, `c{a="x"}`, 20)
	show(11)
	wantInFile(t, s, `c{a="x"}`, 21)
}

// To ask for a collector that is not there leaves nothing behind.
func TestUnregisterUnknown(t *testing.T) {
	s := storeIn(t)
	if s.Unregister(prometheus.NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})) {
		t.Error("found")
	}
	With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"b"}) // other labels
}

// A curried Vec stays curried: it cannot be made native.
func TestRegisterCurried(t *testing.T) {
	s := storeIn(t)
	base := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a", "b"})
	curried := base.MustCurryWith(prometheus.Labels{"a": "1"})
	s.Registerer().MustRegister(curried)
	curried.WithLabelValues("x").Inc()
	s.Flush()
	wantInFile(t, s, `v{a="1",b="x"}`, 1)
}

// Deleted children are given up where there is no file, and no timer.
func TestNoGrowthWithoutFile(t *testing.T) {
	waiting := newStore()
	memory, _ := aloneStore(t, func(Factory) {})
	done := storeIn(t)
	if err := done.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"before Open": waiting, "no directory": memory, "closed": done} {
		vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a"})
		for i := range 50 * fewChildren {
			vec.WithLabelValues(fmt.Sprint(i)).Inc()
			vec.DeleteLabelValues(fmt.Sprint(i))
			if i%fewChildren == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		eventually(t, name+": few children", func() bool { return s.Stats().Series < 10*fewChildren })
	}
}

// Of several states that are entered at once, one is on in the end.
func TestEnterTogether(t *testing.T) {
	s := storeIn(t)
	set := With(s).NewStateSet(prometheus.Opts{Name: "state"}, []string{"a", "b", "c"})
	for range 5000 {
		var done sync.WaitGroup
		for _, state := range set.states {
			done.Go(func() { set.Enter(state) })
		}
		done.Wait()
		on := 0.0
		for _, v := range set.values {
			on += testutil.ToFloat64(v)
		}
		if on != 1 {
			t.Fatalf("%v states are on", on)
		}
	}
}

// eventually waits for what other goroutines bring about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 5000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("never: %s", what)
}
