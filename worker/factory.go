package worker

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// Factory makes metrics in one store, as promauto's does in one registerer: its
// methods register what they make, and panic if the names are not valid, or
// taken. It may be copied and shared.
type Factory struct {
	store *Store
	mode  Mode
}

// With is the factory for a store; nil is the default store.
func With(s *Store) Factory {
	if s == nil {
		s = defaultStore
	}
	return Factory{store: s}
}

// WithMode is the factory for gauges of a mode in the default store.
func WithMode(m Mode) Factory { return With(nil).WithMode(m) }

// WithMode is the same factory, whose gauges have the mode. Other types do not
// heed it. It panics if there is no such mode.
func (f Factory) WithMode(m Mode) Factory {
	if !m.Valid() || m == mmapstore.ModeNone {
		panic(fmt.Errorf("invalid gauge mode %v", m))
	}
	f.mode = m
	return f
}

// NewCounter makes and registers a Counter.
func (f Factory) NewCounter(o prometheus.CounterOpts) prometheus.Counter {
	fam := f.family(prometheus.Opts(o), mmapstore.Counter, nil)
	return f.single(fam).(prometheus.Counter)
}

// NewCounterVec makes and registers a CounterVec.
func (f Factory) NewCounterVec(o prometheus.CounterOpts, labelNames []string) *prometheus.CounterVec {
	fam := f.family(prometheus.Opts(o), mmapstore.Counter, labelNames)
	v := &prometheus.CounterVec{MetricVec: fam.newVec()}
	f.store.mustRegister(v, fam)
	return v
}

// NewCounterFunc makes and registers a CounterFunc. Its function is called on
// the store's timer, and by whoever gathers.
func (f Factory) NewCounterFunc(o prometheus.CounterOpts, function func() float64) prometheus.CounterFunc {
	c := prometheus.NewCounterFunc(o, function)
	f.store.mustRegister(c, nil)
	return c
}

// NewGauge makes and registers a Gauge. It panics if it has a label pid and its
// mode adds one.
func (f Factory) NewGauge(o prometheus.GaugeOpts) prometheus.Gauge {
	fam := f.family(prometheus.Opts(o), mmapstore.Gauge, nil)
	return f.single(fam).(prometheus.Gauge)
}

// NewGaugeVec makes and registers a GaugeVec. It panics if it has a label pid
// and its mode adds one.
func (f Factory) NewGaugeVec(o prometheus.GaugeOpts, labelNames []string) *prometheus.GaugeVec {
	fam := f.family(prometheus.Opts(o), mmapstore.Gauge, labelNames)
	v := &prometheus.GaugeVec{MetricVec: fam.newVec()}
	f.store.mustRegister(v, fam)
	return v
}

// NewGaugeFunc makes and registers a GaugeFunc. Its function is called on the
// store's timer, and by whoever gathers.
func (f Factory) NewGaugeFunc(o prometheus.GaugeOpts, function func() float64) prometheus.GaugeFunc {
	g := prometheus.NewGaugeFunc(o, function)
	f.store.setFuncMode(prometheus.BuildFQName(o.Namespace, o.Subsystem, o.Name), f.mode)
	f.store.mustRegister(g, nil)
	return g
}

// NewUntypedFunc makes and registers an UntypedFunc. Its function is called on
// the store's timer, and by whoever gathers. Values of several processes are
// summed.
func (f Factory) NewUntypedFunc(o prometheus.UntypedOpts, function func() float64) prometheus.UntypedFunc {
	u := prometheus.NewUntypedFunc(o, function)
	f.store.mustRegister(u, nil)
	return u
}

// NewHistogram makes and registers a Histogram. It panics if the bounds of the
// buckets do not ascend, or a label is named le.
func (f Factory) NewHistogram(o prometheus.HistogramOpts) prometheus.Histogram {
	return f.single(f.histogram(o, nil)).(prometheus.Histogram)
}

// NewHistogramVec makes and registers a HistogramVec. It panics if the bounds of
// the buckets do not ascend, or a label is named le.
func (f Factory) NewHistogramVec(o prometheus.HistogramOpts, labelNames []string) *prometheus.HistogramVec {
	fam := f.histogram(o, labelNames)
	v := &prometheus.HistogramVec{MetricVec: fam.newVec()}
	f.store.mustRegister(v, fam)
	return v
}

func (f Factory) histogram(o prometheus.HistogramOpts, labelNames []string) *family {
	fam := f.family(prometheus.Opts{
		Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name,
		Help: o.Help, Unit: o.Unit, ConstLabels: o.ConstLabels,
	}, mmapstore.Histogram, labelNames)
	bounds, err := cleanBounds(o.Buckets)
	if err != nil {
		panic(fmt.Errorf("histogram %q: %w", fam.meta.Name, err))
	}
	fam.meta.Bounds = bounds
	return fam
}

// NewSummary makes and registers a Summary: its sum and count. It panics if a
// label is named quantile.
func (f Factory) NewSummary(o prometheus.SummaryOpts) prometheus.Summary {
	return f.single(f.summary(o, nil)).(prometheus.Summary)
}

// NewSummaryVec makes and registers a SummaryVec: sums and counts. It panics if
// a label is named quantile.
func (f Factory) NewSummaryVec(o prometheus.SummaryOpts, labelNames []string) *prometheus.SummaryVec {
	fam := f.summary(o, labelNames)
	v := &prometheus.SummaryVec{MetricVec: fam.newVec()}
	f.store.mustRegister(v, fam)
	return v
}

func (f Factory) summary(o prometheus.SummaryOpts, labelNames []string) *family {
	return f.family(prometheus.Opts{
		Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name,
		Help: o.Help, Unit: o.Unit, ConstLabels: o.ConstLabels,
	}, mmapstore.Summary, labelNames)
}

// family makes a family, not yet registered, from the options that all types
// share.
func (f Factory) family(o prometheus.Opts, t mmapstore.Type, labelNames []string) *family {
	labelNames = slices.Clone(labelNames)
	name := prometheus.BuildFQName(o.Namespace, o.Subsystem, o.Name)
	desc := prometheus.V2.NewDesc(name, o.Help, prometheus.UnconstrainedLabels(labelNames),
		o.ConstLabels, prometheus.WithUnit(o.Unit))
	sh := shape{variable: labelNames}
	for name, value := range o.ConstLabels {
		sh.constant = append(sh.constant, mmapstore.Label{Name: name, Value: value})
	}
	meta := mmapstore.Family{Name: name, Help: o.Help, Unit: o.Unit, Type: t}
	switch t {
	case mmapstore.Gauge:
		meta.Mode = f.mode
	case mmapstore.Info:
		meta.Mode = Max
	case mmapstore.StateSet:
		meta.Mode = LiveSum
	}
	fam := f.store.newFamily(desc, sh, meta)
	if l := fam.reserved(); l != "" {
		panic(fmt.Errorf("metric %q: label %q is the exposition's own in a %v", name, l, t))
	}
	return fam
}

// reserved is a label of the family that the exposition adds by itself, or "".
func (f *family) reserved() string {
	name := ""
	switch t, m := f.meta.Type, f.meta.Mode; {
	case t == mmapstore.Histogram:
		name = "le"
	case t == mmapstore.Summary:
		name = "quantile"
	case t == mmapstore.Gauge && (m == mmapstore.ModeNone || m.PerProcess()):
		name = "pid"
	}
	if name == "" || !f.hasLabel(name) {
		return ""
	}
	return name
}

// single registers a family that is one metric and makes it. The metric is not
// yet placed when it is registered, so that a name which is taken leaves nothing
// in the file.
func (f Factory) single(fam *family) prometheus.Metric {
	m := fam.makeChild()
	c := m.base()
	c.pairs = prometheus.MakeLabelPairs(fam.desc, nil)
	f.store.mustRegister(m.(prometheus.Collector), fam)
	fam.settleChild(m, nil)
	return m
}
