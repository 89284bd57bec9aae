package worker

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/promfold/promfold/mmapstore"
)

// spinning is how much less often goroutines race here that spin, where they have one
// processor between them: each then waits for the end of the other's turn.
var spinning = 1

func init() {
	if runtime.GOMAXPROCS(0) == 1 {
		spinning = 50
	}
}

// Property: what was added to a waiting word is what is taken from it, and after
// that nothing can be added.
func TestTake(t *testing.T) {
	for range 200 / spinning {
		var w mmapstore.Word
		var added atomic.Uint64
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				for addWaiting(&w, 1) {
					added.Add(1)
				}
			})
		}
		for added.Load() == 0 { // somebody is at it
			runtime.Gosched()
		}
		taken := take(&w)
		done.Wait()
		if taken != added.Load() || w.Load() != sealed {
			t.Fatalf("%d added, %d taken, %x left", added.Load(), taken, w.Load())
		}
	}
}

// Property: amounts are added up, but that none makes a waiting word look taken, and a taken word is not
// finite as a sum.
func TestSealIsNoCount(t *testing.T) {
	for _, had := range []uint64{0, 1, sealed >> 1, sealed - 1} {
		for _, n := range []uint64{0, 1, sealed - had, sealed} {
			var w mmapstore.Word
			w.Store(had)
			want := had + n
			if want == sealed {
				want--
			}
			if !addWaiting(&w, n) || w.Load() != want {
				t.Errorf("%x and %x are %x", had, n, w.Load())
			}
		}
	}
	var w mmapstore.Word
	take(&w)
	if addFinite(&w, 1) || w.Load() != sealed {
		t.Errorf("added to a taken sum: %x", w.Load())
	}
}

// Property: what is counted on held metrics while their families leave the file
// and come back, again and again, is in the file in the end, each count once; and
// so is each observation's part of the sum.
func TestMovesLoseNothing(t *testing.T) {
	s := storeIn(t)
	f := With(s)
	counter := f.NewCounter(prometheus.CounterOpts{Name: "c"})
	hist := f.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 4}})
	sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"})
	const goroutines, each = 3, 20_000
	var running, done sync.WaitGroup
	running.Add(goroutines)
	for range goroutines {
		done.Go(func() {
			running.Done()
			for range each {
				counter.Inc()
				counter.Add(2)
				counter.Add(0.5)
				hist.Observe(2)
				sum.Observe(3)
			}
		})
	}
	running.Wait()
	for range 300 {
		for _, c := range []prometheus.Collector{counter, hist, sum} {
			s.Unregister(c)
			s.Registerer().MustRegister(c)
		}
	}
	done.Wait()
	const n = goroutines * each
	wantInFile(t, s, "c{}", 3.5*n)
	wantInFile(t, s, "h{}", 2*n)
	wantInFile(t, s, "s{}", 3*n)
	file := readFile(t, s.Path())
	if file["c{}"].words[0] != 3*n || file["h{}"].words[2] != n || file["s{}"].words[1] != n {
		t.Errorf("counts: %v %v %v", file["c{}"].words, file["h{}"].words, file["s{}"].words)
	}
}

// Property: a metric that waits takes no amount that a placed one does not take,
// and says so in Stats; what it took is in the file when there is one.
func TestWaitingRejects(t *testing.T) {
	s := newStore()
	f := With(s)
	c := f.NewCounter(prometheus.CounterOpts{Name: "c"})
	hist := f.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}})
	sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"})
	c.Add(1.5)
	for _, v := range []float64{-1, -0.5, math.Inf(+1), math.Inf(-1), math.NaN()} {
		c.Add(v)
	}
	for _, o := range []prometheus.Observer{hist, sum} {
		o.Observe(2)
		o.Observe(math.NaN())
		o.Observe(math.Inf(-1))
	}
	if n := s.Stats().Rejected; n != 9 {
		t.Errorf("rejected %d, want 9", n)
	}
	if err := s.open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantInFile(t, s, "c{}", 1.5)
	wantInFile(t, s, "h{}", 2)
	wantInFile(t, s, "s{}", 2)
	file := readFile(t, s.Path())
	if h := file["h{}"].words; h[1] != 1 || h[2] != 2 || file["s{}"].words[1] != 3 {
		t.Errorf("counts: %v %v", h, file["s{}"].words)
	}
}

// Property: a metric that is deleted while it waits keeps what it counted, before
// it ever had a place and after it lost one, and goes on from there for itself.
func TestDeletedWhileWaiting(t *testing.T) {
	for _, parked := range []bool{false, true} {
		s := newStore()
		vec := With(s).NewHistogramVec(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}}, []string{"a"})
		held := vec.WithLabelValues("x")
		if parked {
			if err := s.open(t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
		}
		held.Observe(2)
		if parked {
			s.Unregister(vec)
		}
		held.Observe(2)
		held.(child).base().detach()
		held.Observe(2)
		if err := testutil.CollectAndCompare(held.(prometheus.Collector), strings.NewReader(`# HELP h 
# TYPE h histogram
h_bucket{a="x",le="1"} 0
h_bucket{a="x",le="+Inf"} 3
h_sum{a="x"} 6
h_count{a="x"} 3
`)); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Property: who still holds waiting words when the metric is sent to the heap for
// good has its counts shown by the process.
func TestDetachLosesNothing(t *testing.T) {
	c := With(newStore()).NewCounter(prometheus.CounterOpts{Name: "c"}).(*counter)
	c.Inc()
	held := c.waiting.Load() // as if an Add were between its load and its add
	c.detach()
	if !addWaiting(&held[0], 2) || !addFinite(&held[1], 0.5) {
		t.Fatal("taken")
	}
	c.Inc()
	if v := testutil.ToFloat64(c); v != 4.5 {
		t.Errorf("the process sees %v", v)
	}
}

// moved makes a metric call on a metric of whose words some were taken, as a call finds
// them that loaded its pointer before they were moved, and then moves the metric. It
// returns what was counted in the words at the new place and in those that were not taken:
// a call that is late finds the new place alone.
func moved(m child, call func(), taken ...int) []uint64 {
	c := m.base()
	old := c.words
	for _, i := range taken {
		take(&c.words[i])
	}
	var running, done sync.WaitGroup
	running.Add(1)
	done.Go(func() {
		running.Done()
		call()
	})
	running.Wait()
	for range 100 / spinning {
		runtime.Gosched() // to let the call find what is taken
	}
	place := heap(len(c.words))
	c.self.point(place, false)
	done.Wait()
	counted := load(place)
	for i := range old {
		if !slices.Contains(taken, i) {
			counted[i] += old[i].Load() // of floats one is zero, unless it was counted twice
		}
	}
	return counted
}

// Property: a call that finds its words taken counts at the new place, all that
// it has not counted yet and nothing twice; it rejects nothing.
func TestCallBesideMove(t *testing.T) {
	for range 20 {
		s := newStore()
		f := With(s)
		c := f.NewCounter(prometheus.CounterOpts{Name: "c"}).(*counter)
		d := f.NewCounter(prometheus.CounterOpts{Name: "d"}).(*counter)
		e := f.NewCounter(prometheus.CounterOpts{Name: "e"}).(*counter)
		h := f.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}}).(*histogram)
		i := f.NewHistogram(prometheus.HistogramOpts{Name: "i", Buckets: []float64{1}}).(*histogram)
		sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"}).(*summary)
		tum := f.NewSummary(prometheus.SummaryOpts{Name: "t"}).(*summary)
		two := math.Float64bits(2)
		for name, got := range map[string]struct{ got, want []uint64 }{
			"Inc":              {moved(c, c.Inc, 0, 1), []uint64{1, 0}},
			"Add whole":        {moved(d, func() { d.Add(2) }, 0), []uint64{2, 0}},
			"Add":              {moved(e, func() { e.Add(0.5) }, 0, 1), []uint64{0, math.Float64bits(0.5)}},
			"Histogram":        {moved(h, func() { h.Observe(2) }, 0, 1, 2), []uint64{two, 0, 1}},
			"Histogram's rest": {moved(i, func() { i.Observe(2) }, 1, 2), []uint64{two, 0, 1}},
			"Summary":          {moved(sum, func() { sum.Observe(2) }, 0, 1), []uint64{two, 1}},
			"Summary's rest":   {moved(tum, func() { tum.Observe(2) }, 1), []uint64{two, 1}},
		} {
			if !slices.Equal(got.got, got.want) {
				t.Errorf("%s: %x, want %x", name, got.got, got.want)
			}
		}
		if n := s.Stats().Rejected; n != 0 {
			t.Errorf("%d rejected", n)
		}
	}
}

// Property: an Add that found a gauge without a pointer, which others had set
// before it got the lock, loses none of their amounts.
func TestAddBesideFirstSet(t *testing.T) {
	g := With(storeIn(t)).WithMode(Sum).NewGauge(prometheus.GaugeOpts{Name: "g"}).(*gauge)
	g.Set(0)
	const each = 400_000 // long enough to be at it both
	var running, done sync.WaitGroup
	running.Add(2)
	for _, add := range []func(float64){g.Add, g.addSlow} {
		done.Go(func() {
			running.Done()
			running.Wait()
			for range each {
				add(1)
			}
		})
	}
	done.Wait()
	if v := testutil.ToFloat64(g); v != 2*each {
		t.Errorf("%v, want %v", v, 2*each)
	}
}

// Property: of first sets made at once none is lost, and a gauge that is made
// again starts from nothing, whatever a holder of the old one still does.
func TestFirstSets(t *testing.T) {
	s := storeIn(t)
	vec := With(s).WithMode(Sum).NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"a"})
	for round := range 200 {
		g := vec.WithLabelValues("x")
		if w := readFile(t, s.Path())[`g{a="x"}`].words; w[0] != 0 {
			t.Fatalf("round %d: set before it is: %v", round, w)
		}
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				for range 10 {
					g.Add(2)
					g.Dec()
				}
			})
		}
		done.Wait()
		wantInFile(t, s, `g{a="x"}`, 30)
		late := g.(*gauge).cells.Load() // as if a Set were between its load and its store
		vec.Reset()
		s.Flush()
		late[1].Store(math.Float64bits(7))
	}
}
