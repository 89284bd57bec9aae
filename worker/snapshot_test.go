package worker

import (
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// scripted gathers what the test puts there, while the store's own goroutine may
// gather too.
type scripted struct {
	mu       sync.Mutex
	families []*dto.MetricFamily
	err      error
	panics   bool
}

func (g *scripted) Gather() ([]*dto.MetricFamily, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.panics {
		panic("third party")
	}
	return g.families, g.err
}

func (g *scripted) show(err error, panics bool, families ...*dto.MetricFamily) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.families, g.err, g.panics = families, err, panics
}

func counterFamily(name string, values map[string]float64) *dto.MetricFamily {
	mf := &dto.MetricFamily{Name: new(name), Type: dto.MetricType_COUNTER.Enum()}
	for l, v := range values {
		mf.Metric = append(mf.Metric, &dto.Metric{
			Label:   []*dto.LabelPair{{Name: new("a"), Value: new(l)}},
			Counter: &dto.Counter{Value: new(v)},
		})
	}
	return mf
}

// A snapshotted counter never goes down: a metric that starts again from zero
// goes on from what the file has, one that is away for a while and comes back as
// it was is not counted twice.
func TestSnapshotCounter(t *testing.T) {
	s := storeIn(t)
	g := &scripted{}
	s.AddGatherer(g)
	for i, step := range []struct {
		shown map[string]float64
		want  float64 // less than 0: deleted
	}{
		{map[string]float64{"x": 10.5}, 10.5},
		{map[string]float64{"x": 12}, 12},
		{map[string]float64{"x": 3}, 15},
		{map[string]float64{"x": 4}, 16},
		{nil, -1},
		{nil, -1},
		{map[string]float64{"x": 5}, 17},
		{nil, -1},
		{map[string]float64{"x": 1}, 18},
		{map[string]float64{"x": math.NaN()}, 18},
		{map[string]float64{"x": 2}, 19},
	} {
		g.show(nil, false, counterFamily("c", step.shown))
		s.Flush()
		if step.want < 0 {
			wantGone(t, s, `c{a="x"}`)
			continue
		}
		if got := inFile(t, s, `c{a="x"}`); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if n := len(readFile(t, s.Path())); n != 1 {
		t.Errorf("%d series in the file", n)
	}
}

// While something cannot be gathered nothing is taken for deleted, and a panic
// of third-party code stays where it is.
func TestSnapshotFailure(t *testing.T) {
	s := storeIn(t)
	g := &scripted{families: []*dto.MetricFamily{counterFamily("c", map[string]float64{"x": 1})}}
	s.AddGatherer(g)
	s.Flush()
	g.show(errors.New("no"), false)
	s.Flush()
	wantInFile(t, s, `c{a="x"}`, 1)
	g.show(nil, true)
	s.Flush()
	wantInFile(t, s, `c{a="x"}`, 1)
	g.show(nil, false)
	s.Flush()
	wantGone(t, s, `c{a="x"}`)
}

// Buckets are single in the file and cumulative in what is gathered; quantiles
// are left out; an untyped value may fall.
func TestSnapshotTypes(t *testing.T) {
	s := storeIn(t)
	r := prometheus.NewRegistry()
	hist := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 2}})
	sum := prometheus.NewSummary(prometheus.SummaryOpts{Name: "s", Objectives: map[float64]float64{0.5: 0.1}})
	var level atomic.Int64 // the store's own goroutine looks too
	level.Store(5)
	r.MustRegister(hist, sum, prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "u"}, func() float64 { return float64(level.Load()) }))
	s.AddGatherer(r)
	for _, v := range []float64{0.5, 1.5, 1.5, 9} {
		hist.Observe(v)
		sum.Observe(v)
	}
	s.Flush()
	level.Store(3)
	s.Flush()
	file := readFile(t, s.Path())
	if got := file["h{}"]; !slices.Equal(got.words[1:], []uint64{1, 2, 1}) || got.value() != 12.5 {
		t.Errorf("histogram: %v", got.words)
	}
	if got := file["s{}"]; got.words[1] != 4 || got.value() != 12.5 {
		t.Errorf("summary: %v", got.words)
	}
	wantInFile(t, s, "u{}", 3)
	if len(file) != 3 {
		t.Errorf("%d series in the file", len(file))
	}
}

// A native family is never taken from a snapshot, whichever came first; when it
// is unregistered, the snapshot's turn has come: nothing goes down, nor is counted
// twice.
func TestSnapshotBesideNative(t *testing.T) {
	s := storeIn(t)
	g := &scripted{families: []*dto.MetricFamily{counterFamily("c", map[string]float64{"x": 10})}}
	s.AddGatherer(g)
	s.AddGatherer(s.Gatherer())
	s.Flush()
	wantInFile(t, s, `c{a="x"}`, 10)
	vec := With(s).NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"a"})
	vec.WithLabelValues("x").Inc()
	for range 3 {
		s.Flush()
	}
	wantInFile(t, s, `c{a="x"}`, 11)
	s.Unregister(vec)
	s.Flush()
	wantInFile(t, s, `c{a="x"}`, 11) // the 10 are in it already
	g.show(nil, false, counterFamily("c", map[string]float64{"x": 12}))
	s.Flush()
	wantInFile(t, s, `c{a="x"}`, 13)
}

// Funcs are snapshotted with the mode that the factory was given, and a timed
// gauge keeps its time while its value stays.
func TestFuncs(t *testing.T) {
	s := storeIn(t)
	f := With(s)
	n := 1.0
	value := func() float64 { return n }
	f.NewCounterFunc(prometheus.CounterOpts{Name: "c"}, value)
	f.WithMode(Latest).NewGaugeFunc(prometheus.GaugeOpts{Name: "g"}, value)
	f.NewUntypedFunc(prometheus.UntypedOpts{Name: "u"}, value)
	s.Flush()
	wantInFile(t, s, "c{}", 1)
	wantInFile(t, s, "u{}", 1)
	first := readFile(t, s.Path())["g{}"]
	s.Flush()
	second := readFile(t, s.Path())["g{}"]
	n = 2
	s.Flush()
	third := readFile(t, s.Path())["g{}"]
	if first.family.Mode != Latest || first.words[2] != second.words[2] || third.words[2] <= second.words[2] || third.value() != 2 {
		t.Errorf("%v, %v, %v", first, second, third)
	}
}

// Close takes the last snapshot.
func TestCloseSnapshots(t *testing.T) {
	s := storeIn(t)
	n := 1.0
	With(s).NewCounterFunc(prometheus.CounterOpts{Name: "c"}, func() float64 { return n })
	s.Flush()
	n = 5
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantInFile(t, s, "c{}", 5)
}

// undescribed is a collector that does not tell in advance what it collects.
type undescribed struct{ c prometheus.Collector }

func (undescribed) Describe(chan<- *prometheus.Desc)      {}
func (u undescribed) Collect(ch chan<- prometheus.Metric) { u.c.Collect(ch) }

// A family may be half native: what was registered with the store is there,
// whichever way it is kept. Where both have a series, the native one stays.
func TestSnapshotOfHalfNativeFamily(t *testing.T) {
	s := storeIn(t)
	opts := func(db string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "c", ConstLabels: prometheus.Labels{"db": db}}
	}
	native := prometheus.NewCounterVec(opts("1"), nil)
	single := prometheus.NewCounter(opts("2"))
	twice := prometheus.NewCounter(opts("1"))
	native2 := prometheus.NewCounterVec(opts("3"), nil)
	s.Registerer().MustRegister(native, single, native2)
	native.WithLabelValues().Add(1)
	single.Add(2)
	s.Flush()
	s.Registerer().MustRegister(undescribed{twice})
	twice.Add(100)
	for range 3 {
		s.Flush()
	}
	native.WithLabelValues().Add(1)
	wantInFile(t, s, `c{db="1"}`, 2)
	wantInFile(t, s, `c{db="2"}`, 2)
	if s.Stats().Dropped != 0 {
		t.Errorf("stats: %+v", s.Stats())
	}
}
