package worker

import (
	"math"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/mmapstore"
)

// What is counted is in the file when the call returns, split into the whole
// and the rest, and the process sees the same.
func TestCounter(t *testing.T) {
	s := storeIn(t)
	c := With(s).NewCounter(prometheus.CounterOpts{
		Namespace: "a", Subsystem: "b", Name: "c_total", ConstLabels: prometheus.Labels{"k": "v"},
	})
	c.Inc()
	c.Add(41)
	c.Add(0.5)
	c.Add(1 << 60)
	c.(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace": "1"})
	got := readFile(t, s.Path())[`a_b_c_total{k="v"}`]
	if got.family.Type != mmapstore.Counter || got.words[0] != 43 || math.Float64frombits(got.words[1]) != 0.5+1<<60 {
		t.Errorf("in the file: %+v", got)
	}
	if v := testutil.ToFloat64(c); v != 43+0.5+1<<60 {
		t.Errorf("in the process: %v", v)
	}
}

// Amounts that no counter can take change nothing and hurt nobody.
func TestCounterRejects(t *testing.T) {
	s := storeIn(t)
	c := With(s).NewCounter(prometheus.CounterOpts{Name: "c_total"})
	c.Add(1)
	for _, v := range []float64{-1, math.Inf(+1), math.Inf(-1), math.NaN(), -0.1} {
		c.Add(v)
	}
	wantInFile(t, s, "c_total{}", 1)
	if n := s.Stats().Rejected; n != 5 {
		t.Errorf("rejected %d, want 5", n)
	}
}

// A gauge is not set before it is; in every mode the last value is in the file.
func TestGaugeModes(t *testing.T) {
	for mode := All; mode <= LiveSum; mode++ {
		t.Run(mode.String(), func(t *testing.T) {
			s := storeIn(t)
			g := With(s).WithMode(mode).NewGauge(prometheus.GaugeOpts{Name: "g"})
			if got := readFile(t, s.Path())["g{}"]; got.words[0] != 0 || got.family.Mode != mode {
				t.Errorf("before the first set: %+v", got)
			}
			if v := testutil.ToFloat64(g); v != 0 {
				t.Errorf("unset gauge shows %v", v)
			}
			g.Set(10)
			g.Inc()
			g.Dec()
			g.Add(2.5)
			g.Sub(0.5)
			got := readFile(t, s.Path())["g{}"]
			if got.words[0] == 0 || got.value() != 12 || testutil.ToFloat64(g) != 12 {
				t.Errorf("in the file %+v, in the process %v", got, testutil.ToFloat64(g))
			}
			g.SetToCurrentTime()
			if v := inFile(t, s, "g{}"); v < 1e9 {
				t.Errorf("current time is %v", v)
			}
		})
	}
}

// The mode of a gauge: what the code says, then Options, then liveall.
func TestGaugeModeChoice(t *testing.T) {
	s := newStore()
	named := With(s).NewGauge(prometheus.GaugeOpts{Name: "named"})
	named.Set(1)
	named.Add(2)
	With(s).WithMode(Min).NewGauge(prometheus.GaugeOpts{Name: "coded"})
	With(s).NewGauge(prometheus.GaugeOpts{Name: "plain"})
	modes := map[string]Mode{"named": Latest, "coded": Max, "bad": 99}
	if err := s.open(t.TempDir(), []Option{WithGaugeModes(modes)}); err == nil {
		t.Error("an invalid mode passed")
	}
	defer s.Close()
	file := readFile(t, s.Path())
	for key, want := range map[string]Mode{"named{}": Latest, "coded{}": Min, "plain{}": LiveAll} {
		if got := file[key].family.Mode; got != want {
			t.Errorf("%s has mode %v, want %v", key, got, want)
		}
	}
	named.Inc()
	wantInFile(t, s, "named{}", 4)
}

// Every observation is in one bucket, that of the first bound not below it, as
// client_golang has it.
func TestHistogram(t *testing.T) {
	s := storeIn(t)
	o := prometheus.HistogramOpts{Name: "h", Help: "h", Buckets: []float64{1, 2, math.Inf(+1)}}
	h, model := With(s).NewHistogram(o), prometheus.NewHistogram(o)
	for _, v := range []float64{-1, 0.5, 1, 1.5, 2, 2.5, 100} {
		h.Observe(v)
		model.Observe(v)
	}
	got := readFile(t, s.Path())["h{}"]
	if !slices.Equal(got.words[1:], []uint64{3, 2, 2}) || got.value() != 106.5 {
		t.Errorf("in the file: %v", got.words)
	}
	sameText(t, "h", h, model)
	h.Observe(math.NaN())
	h.(prometheus.ExemplarObserver).ObserveWithExemplar(math.Inf(-1), prometheus.Labels{"a": "b"})
	got = readFile(t, s.Path())["h{}"]
	if !slices.Equal(got.words[1:], []uint64{4, 2, 3}) || got.value() != 106.5 || s.Stats().Rejected != 2 {
		t.Errorf("after NaN and -Inf: %v", got.words)
	}
}

// For many bounds and few, a value finds the bucket that it finds in
// client_golang.
func TestBucketOf(t *testing.T) {
	for _, n := range []int{1, fewBounds, fewBounds + 1, 100} {
		bounds := prometheus.LinearBuckets(0, 1, n)
		for v := -0.5; v < float64(n)+1; v += 0.5 {
			want, _ := slices.BinarySearch(bounds, v)
			if got := bucketOf(bounds, v); got != want {
				t.Errorf("%v of %d bounds: bucket %d, want %d", v, n, got, want)
			}
		}
		for v, want := range map[float64]int{math.Inf(-1): 0, math.Inf(+1): n, math.NaN(): n} {
			if got := bucketOf(bounds, v); got != want {
				t.Errorf("%v of %d bounds: bucket %d, want %d", v, n, got, want)
			}
		}
	}
}

func TestSummary(t *testing.T) {
	s := storeIn(t)
	o := prometheus.SummaryOpts{Name: "s", Help: "s"}
	v, model := With(s).NewSummary(o), prometheus.NewSummary(o)
	for _, x := range []float64{1, 2.5, -1} {
		v.Observe(x)
		model.Observe(x)
	}
	if got := readFile(t, s.Path())["s{}"]; got.words[1] != 3 || got.value() != 2.5 {
		t.Errorf("in the file: %v", got.words)
	}
	sameText(t, "s", v, model)
	v.Observe(math.Inf(1))
	if got := readFile(t, s.Path())["s{}"]; got.words[1] != 4 || got.value() != 2.5 {
		t.Errorf("after +Inf: %v", got.words)
	}
}

func TestInfo(t *testing.T) {
	s := storeIn(t)
	With(s).NewInfo(prometheus.Opts{Name: "build", ConstLabels: prometheus.Labels{"version": "1"}})
	v := With(s).NewInfoVec(prometheus.Opts{Name: "node_info"}, []string{"os"})
	v.WithLabelValues("linux")
	v.With(prometheus.Labels{"os": "plan9"})
	got := readFile(t, s.Path())[`build_info{version="1"}`]
	if got.family.Type != mmapstore.Info || got.family.Mode != Max || got.words[0] != 1 || got.value() != 1 {
		t.Errorf("in the file: %+v", got)
	}
	wantInFile(t, s, `node_info{os="plan9"}`, 1)
	v.DeleteLabelValues("linux")
	s.Flush()
	wantGone(t, s, `node_info{os="linux"}`)
}

// All states are there from the start; Enter leaves exactly one on.
func TestStateSet(t *testing.T) {
	s := storeIn(t)
	v := With(s).NewStateSetVec(prometheus.Opts{Name: "phase"}, []string{"idle", "busy"}, []string{"queue"})
	q := v.WithLabelValues("q")
	got := readFile(t, s.Path())[`phase{phase="idle",queue="q"}`]
	if got.family.Type != mmapstore.StateSet || got.family.Mode != LiveSum || got.words[0] != 1 || got.value() != 0 {
		t.Errorf("in the file: %+v", got)
	}
	q.Enter("idle")
	q.Enter("busy")
	q.Enter("no such state")
	q.Set("no such state", true)
	wantInFile(t, s, `phase{phase="idle",queue="q"}`, 0)
	wantInFile(t, s, `phase{phase="busy",queue="q"}`, 1)
	q.Set("idle", true)
	q.Set("busy", false)
	if n := testutil.CollectAndCount(q); n != 2 || s.Stats().Rejected != 2 {
		t.Errorf("%d series, %d rejected", n, s.Stats().Rejected)
	}
	if !v.DeleteLabelValues("q") || v.DeleteLabelValues("q") {
		t.Error("deleted twice, or not at all")
	}
	s.Flush()
	wantGone(t, s, `phase{phase="busy",queue="q"}`)
	one := With(s).NewStateSet(prometheus.Opts{Name: "one"}, []string{"on"})
	one.Enter("on")
	wantInFile(t, s, `one{one="on"}`, 1)
}

// What cannot be is refused where the metric is made, and nowhere later.
func TestConstructorsPanic(t *testing.T) {
	s := storeIn(t)
	f := With(s)
	f.NewCounter(prometheus.CounterOpts{Name: "taken", Help: "x"})
	for name, create := range map[string]func(){
		"taken name":     func() { f.NewCounter(prometheus.CounterOpts{Name: "taken", Help: "x"}) },
		"invalid name":   func() { f.NewCounter(prometheus.CounterOpts{}) },
		"pid, no mode":   func() { f.NewGaugeVec(prometheus.GaugeOpts{Name: "g1"}, []string{"pid"}) },
		"pid, all":       func() { f.WithMode(All).NewGaugeVec(prometheus.GaugeOpts{Name: "g2"}, []string{"pid"}) },
		"le":             func() { f.NewHistogramVec(prometheus.HistogramOpts{Name: "h1"}, []string{"le"}) },
		"bounds":         func() { f.NewHistogram(prometheus.HistogramOpts{Name: "h2", Buckets: []float64{2, 1}}) },
		"quantile":       func() { f.NewSummaryVec(prometheus.SummaryOpts{Name: "s1"}, []string{"quantile"}) },
		"no states":      func() { f.NewStateSet(prometheus.Opts{Name: "st1"}, nil) },
		"same state":     func() { f.NewStateSet(prometheus.Opts{Name: "st2"}, []string{"a", "a"}) },
		"no such mode":   func() { f.WithMode(99) },
		"duplicate name": func() { f.NewCounterVec(prometheus.CounterOpts{Name: "d"}, []string{"a", "a"}) },
	} {
		if !panics(create) {
			t.Errorf("%s: no panic", name)
		}
	}
	f.WithMode(Max).NewGaugeVec(prometheus.GaugeOpts{Name: "g3"}, []string{"pid"})
	if file := readFile(t, s.Path()); len(file) != 1 {
		t.Errorf("the file has %d series, want the first alone", len(file))
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// sameText compares what two collectors expose of a family.
func sameText(t *testing.T, name string, got, want prometheus.Collector) {
	t.Helper()
	var texts [2]string
	for i, c := range []prometheus.Collector{got, want} {
		b, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain, name)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(b)
	}
	if texts[0] != texts[1] || texts[0] == "" {
		t.Errorf("exposed:\n%s\nwant:\n%s", texts[0], texts[1])
	}
}

// A total never becomes infinite, nor a NaN: it could not recover.
func TestTotalsStayFinite(t *testing.T) {
	s := newStore()
	f := With(s)
	c := f.NewCounter(prometheus.CounterOpts{Name: "c"})
	h := f.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}})
	sum := f.NewSummary(prometheus.SummaryOpts{Name: "s"})
	const huge = math.MaxFloat64
	count := func() {
		for _, v := range []float64{huge, huge, 0.5, math.NaN(), math.Inf(1), math.Inf(-1), -huge, -huge, -huge} {
			c.Add(v)
			h.Observe(v)
			sum.Observe(v)
		}
	}
	count() // on the heap
	if err := s.open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	count()
	g := &scripted{}
	s.AddGatherer(g)
	for _, v := range []float64{huge, 1, huge, 2} {
		g.show(nil, false, counterFamily("m", map[string]float64{"x": v}))
		s.Flush()
	}
	for _, key := range []string{"c{}", "h{}", "s{}", `m{a="x"}`} {
		if v := inFile(t, s, key); math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("%s is %v", key, v)
		}
	}
	file := readFile(t, s.Path())
	if a, b := file["h{}"].words, file["s{}"].words; a[1]+a[2] != 18 || b[1] != 18 {
		t.Errorf("of 18 observations %v and %v", a, b)
	}
	if n := s.Stats().Rejected; n < 2*(7+4+4) {
		t.Errorf("%d rejected", n)
	}
	for _, fault := range mmapstore.Check(s.Path()) {
		t.Error(fault)
	}
}
