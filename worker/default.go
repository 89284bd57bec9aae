package worker

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// The default store is where metrics of the package-level constructors live. It
// exists before it is opened.
var (
	defaultStore = newStore()
	openDefault  sync.Mutex // the first Open gets the default store
	defaultTaken bool
)

// Open makes the file of this process in dir and moves all metrics into it. An
// empty dir is $PROMETHEUS_MULTIPROC_DIR, then $prometheus_multiproc_dir; if
// they are empty too there is no file, which is no error: metrics are then
// registered in prometheus.DefaultRegisterer.
//
// The store is usable even beside an error; metrics then stay in the memory of
// this process, and if the file can be made later (a full disk has room again, a
// missing directory is there) move into it. The error says that the file could not be made, that an option
// makes no sense (it is ignored), or what DefaultRegisterer refused.
//
// The first Open binds the default store, that of the package's constructors.
// Each further one makes a store as New does.
func Open(dir string, opts ...Option) (*Store, error) {
	openDefault.Lock()
	defer openDefault.Unlock()
	if defaultTaken {
		return New(dir, opts...)
	}
	defaultTaken = true
	return defaultStore, defaultStore.open(dir, opts)
}

// NewCounter makes a Counter in the default store; see Factory.NewCounter.
func NewCounter(o prometheus.CounterOpts) prometheus.Counter { return With(nil).NewCounter(o) }

// NewCounterVec makes a CounterVec in the default store; see
// Factory.NewCounterVec.
func NewCounterVec(o prometheus.CounterOpts, labelNames []string) *prometheus.CounterVec {
	return With(nil).NewCounterVec(o, labelNames)
}

// NewCounterFunc makes a CounterFunc in the default store; see
// Factory.NewCounterFunc.
func NewCounterFunc(o prometheus.CounterOpts, function func() float64) prometheus.CounterFunc {
	return With(nil).NewCounterFunc(o, function)
}

// NewGauge makes a Gauge in the default store; see Factory.NewGauge.
func NewGauge(o prometheus.GaugeOpts) prometheus.Gauge { return With(nil).NewGauge(o) }

// NewGaugeVec makes a GaugeVec in the default store; see Factory.NewGaugeVec.
func NewGaugeVec(o prometheus.GaugeOpts, labelNames []string) *prometheus.GaugeVec {
	return With(nil).NewGaugeVec(o, labelNames)
}

// NewGaugeFunc makes a GaugeFunc in the default store; see
// Factory.NewGaugeFunc.
func NewGaugeFunc(o prometheus.GaugeOpts, function func() float64) prometheus.GaugeFunc {
	return With(nil).NewGaugeFunc(o, function)
}

// NewUntypedFunc makes an UntypedFunc in the default store; see
// Factory.NewUntypedFunc.
func NewUntypedFunc(o prometheus.UntypedOpts, function func() float64) prometheus.UntypedFunc {
	return With(nil).NewUntypedFunc(o, function)
}

// NewHistogram makes a Histogram in the default store; see
// Factory.NewHistogram.
func NewHistogram(o prometheus.HistogramOpts) prometheus.Histogram {
	return With(nil).NewHistogram(o)
}

// NewHistogramVec makes a HistogramVec in the default store; see
// Factory.NewHistogramVec.
func NewHistogramVec(o prometheus.HistogramOpts, labelNames []string) *prometheus.HistogramVec {
	return With(nil).NewHistogramVec(o, labelNames)
}

// NewSummary makes a Summary in the default store; see Factory.NewSummary.
func NewSummary(o prometheus.SummaryOpts) prometheus.Summary { return With(nil).NewSummary(o) }

// NewSummaryVec makes a SummaryVec in the default store; see
// Factory.NewSummaryVec.
func NewSummaryVec(o prometheus.SummaryOpts, labelNames []string) *prometheus.SummaryVec {
	return With(nil).NewSummaryVec(o, labelNames)
}

// NewInfo makes an Info in the default store; see Factory.NewInfo.
func NewInfo(o prometheus.Opts) Info { return With(nil).NewInfo(o) }

// NewInfoVec makes an InfoVec in the default store; see Factory.NewInfoVec.
func NewInfoVec(o prometheus.Opts, labelNames []string) *InfoVec {
	return With(nil).NewInfoVec(o, labelNames)
}

// NewStateSet makes a StateSet in the default store; see Factory.NewStateSet.
func NewStateSet(o prometheus.Opts, states []string) *StateSet {
	return With(nil).NewStateSet(o, states)
}

// NewStateSetVec makes a StateSetVec in the default store; see
// Factory.NewStateSetVec.
func NewStateSetVec(o prometheus.Opts, states, labelNames []string) *StateSetVec {
	return With(nil).NewStateSetVec(o, states, labelNames)
}
