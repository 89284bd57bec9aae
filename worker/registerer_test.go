package worker

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/promfold/promfold/mmapstore"
)

// A Vec that third-party code made becomes native: what it counts is in the file
// at once, with all that its desc says.
func TestNativize(t *testing.T) {
	s := storeIn(t, WithGaugeModes(map[string]Mode{"g": Max}))
	labels := prometheus.Labels{"const": "0"} // a value that looks like a label's number
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c", Help: "help", Unit: "bytes", ConstLabels: labels}, []string{"z", "a"})
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"a"})
	hist := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 2}}, []string{"a"})
	sum := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "s"}, nil)
	upper := prometheus.V2.NewCounterVec(prometheus.CounterVecOpts{
		CounterOpts:    prometheus.CounterOpts{Name: "constrained"},
		VariableLabels: prometheus.ConstrainedLabels{{Name: "a", Constraint: func(string) string { return "same" }}},
	})
	s.Registerer().MustRegister(counter, gauge, hist, sum, upper)
	counter.WithLabelValues("1", "2").Add(3)
	gauge.WithLabelValues("x").Set(4)
	hist.WithLabelValues("x").Observe(2)
	sum.WithLabelValues().Observe(5)
	upper.WithLabelValues("x").Inc()
	upper.WithLabelValues("y").Inc()
	file := readFile(t, s.Path())
	wantInFile(t, s, `c{a="2",const="0",z="1"}`, 3)
	wantInFile(t, s, `g{a="x"}`, 4)
	wantInFile(t, s, `h{a="x"}`, 2)
	wantInFile(t, s, `s{}`, 5)
	wantInFile(t, s, `constrained{a="same"}`, 2)
	if f := file[`c{a="2",const="0",z="1"}`].family; f.Help != "help" || f.Unit != "bytes" {
		t.Errorf("family: %+v", f)
	}
	if f := file[`g{a="x"}`].family; f.Mode != Max {
		t.Errorf("family: %+v", f)
	}
	if f := file[`h{a="x"}`].family; !slices.Equal(f.Bounds, []float64{1, 2}) {
		t.Errorf("family: %+v", f)
	}
	s.Flush()
	if n := len(readFile(t, s.Path())); n != 5 {
		t.Errorf("%d series after a snapshot: some are there twice", n)
	}
}

// What cannot be native is snapshotted.
func TestNotNativized(t *testing.T) {
	s := storeIn(t)
	used := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "used"}, []string{"a"})
	used.WithLabelValues("x").Inc()
	native := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "native", NativeHistogramBucketFactor: 1.1}, []string{"a"})
	quantiles := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "quantiles", Objectives: map[float64]float64{0.5: 0.1}}, []string{"a"})
	pid := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "by_pid"}, []string{"pid"})
	single := prometheus.NewCounter(prometheus.CounterOpts{Name: "single"})
	s.Registerer().MustRegister(used, native, quantiles, pid, single)
	used.WithLabelValues("x").Inc()
	native.WithLabelValues("x").Observe(3)
	quantiles.WithLabelValues("x").Observe(4)
	pid.WithLabelValues("1").Set(5)
	single.Add(6)
	s.Flush()
	wantInFile(t, s, `used{a="x"}`, 2)
	wantInFile(t, s, `native{a="x"}`, 3)
	wantInFile(t, s, `quantiles{a="x"}`, 4)
	wantInFile(t, s, `by_pid{pid="1"}`, 5)
	wantInFile(t, s, `single{}`, 6)
	if m := readFile(t, s.Path())[`by_pid{pid="1"}`].family.Mode; m != LiveMax {
		t.Errorf("mode %v would add a second label pid", m)
	}
	if n := testutil.CollectAndCount(native); n != 1 {
		t.Errorf("%d children: the probe left one", n)
	}
}

// A Vec that was curried before it became native counts through both.
func TestCurriedBefore(t *testing.T) {
	s := storeIn(t)
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "v"}, []string{"a", "b"})
	curried := vec.MustCurryWith(prometheus.Labels{"a": "1"})
	s.Registerer().MustRegister(vec)
	vec.WithLabelValues("1", "x").Inc()
	curried.WithLabelValues("x").Inc()
	s.Flush()
	total := 0.0
	for _, got := range readFile(t, s.Path()) {
		total += got.value()
	}
	if total != 2 {
		t.Errorf("total %v, want 2", total)
	}
}

// A second collector of the same desc is refused with the first one.
func TestAlreadyRegistered(t *testing.T) {
	s := storeIn(t)
	first := With(s).NewCounterVec(prometheus.CounterOpts{Name: "v", Help: "h"}, []string{"a"})
	second := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "v", Help: "h"}, []string{"a"})
	err := s.Registerer().Register(second)
	already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err)
	if !ok || already.ExistingCollector != prometheus.Collector(first) {
		t.Fatalf("error %v", err)
	}
	already.ExistingCollector.(*prometheus.CounterVec).WithLabelValues("x").Inc()
	wantInFile(t, s, `v{a="x"}`, 1)
	if !panics(func() { s.Registerer().MustRegister(second) }) {
		t.Error("MustRegister did not panic")
	}
}

// Unregistering marks all series deleted; the name is free again, and series
// that come back have their old places.
func TestUnregister(t *testing.T) {
	s := storeIn(t)
	o := prometheus.CounterOpts{Name: "v", Help: "h"}
	vec := With(s).NewCounterVec(o, []string{"a"})
	vec.WithLabelValues("x").Inc()
	function := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "f"}, func() float64 { return 1 })
	s.Registerer().MustRegister(function)
	s.Flush()
	if !s.Unregister(prometheus.NewCounterVec(o, []string{"a"})) || s.Unregister(vec) || !s.Registerer().Unregister(function) {
		t.Error("unregistered twice, or not at all")
	}
	vec.WithLabelValues("x").Inc()
	vec.WithLabelValues("y").Inc()
	s.Flush()
	wantGone(t, s, `v{a="x"}`)
	wantGone(t, s, `v{a="y"}`)
	wantGone(t, s, "f{}")
	again := With(s).NewCounterVec(o, []string{"a"})
	again.WithLabelValues("x").Inc()
	wantInFile(t, s, `v{a="x"}`, 2)
	if v := testutil.ToFloat64(again); v != 1 {
		t.Errorf("the new Vec shows %v", v)
	}
	single := With(s).NewCounter(prometheus.CounterOpts{Name: "single"})
	single.Inc()
	if !s.Unregister(single) {
		t.Error("single metric not found")
	}
	single.Inc()
	wantGone(t, s, "single{}")
	if s.Unregister(unchecked{}) {
		t.Error("an unchecked collector was found")
	}
}

type unchecked struct{}

func (unchecked) Describe(chan<- *prometheus.Desc) {}
func (unchecked) Collect(chan<- prometheus.Metric) {}

// client_golang's own helpers work on our metrics.
func TestInstrumentHandler(t *testing.T) {
	s := storeIn(t)
	f := With(s)
	inflight := f.WithMode(LiveSum).NewGauge(prometheus.GaugeOpts{Name: "inflight"})
	requests := f.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"code", "method"})
	duration := f.NewHistogramVec(prometheus.HistogramOpts{Name: "duration_seconds"}, []string{"code"})
	size := f.NewSummaryVec(prometheus.SummaryOpts{Name: "size_bytes"}, []string{})
	h := promhttp.InstrumentHandlerInFlight(inflight,
		promhttp.InstrumentHandlerCounter(requests,
			promhttp.InstrumentHandlerDuration(duration,
				promhttp.InstrumentHandlerResponseSize(size,
					http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						wantInFile(t, s, "inflight{}", 1)
						w.Write([]byte("hello"))
					})))))
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	prometheus.NewTimer(duration.WithLabelValues("timer")).ObserveDuration()
	wantInFile(t, s, "inflight{}", 0)
	wantInFile(t, s, `requests_total{code="200",method="get"}`, 3)
	wantInFile(t, s, "size_bytes{}", 15)
	if got := readFile(t, s.Path())[`duration_seconds{code="timer"}`]; got.words[1] != 1 {
		t.Errorf("timer: %v", got.words)
	}
}

// The Go collector is snapshotted, once, however often it is given.
func TestGoCollector(t *testing.T) {
	s := storeIn(t)
	s.Registerer().MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.AddGatherer(prometheus.DefaultGatherer)
	s.Flush()
	if v := inFile(t, s, "go_goroutines{}"); v < 1 {
		t.Errorf("goroutines: %v", v)
	}
	modes := map[string]Mode{"go_info": Max, "process_start_time_seconds": Min, "go_goroutines": LiveAll}
	for _, got := range readFile(t, s.Path()) {
		if want, ok := modes[got.family.Name]; ok && got.family.Mode != want {
			t.Errorf("%s has mode %v, want %v", got.family.Name, got.family.Mode, want)
		}
		if got.family.Name == "go_gc_duration_seconds" && got.family.Type != mmapstore.Summary {
			t.Errorf("%s is a %v", got.family.Name, got.family.Type)
		}
	}
}
