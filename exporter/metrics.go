//go:build unix

package exporter

import (
	"errors"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/escape"
)

// namespace begins the names of our own metrics.
const namespace = "promfold"

// ownMetrics are the metrics of the exporter about itself.
type ownMetrics struct {
	registry *prometheus.Registry
	// process registers what libraries say about this process, under our
	// prefix: go_goroutines of the application is not ours.
	process prometheus.Registerer
	fixed   *fixedFamilies
	census  *censusFamilies
	runtime ahead // of what libraries say about this process, if anybody asked for it
	// encodingErrors is one of promhttp's metrics, for the answers without it.
	encodingErrors prometheus.Counter
	reserved       map[string]bool // names of our samples: see avoid
	known          map[string]bool // names of our families
	// avoided is, of merged families, whether they have a name that is reserved.
	avoided map[typedName]bool
}

func newOwnMetrics(o Options) *ownMetrics {
	m := &ownMetrics{
		registry: prometheus.NewRegistry(),
		fixed:    newFixedFamilies(),
		census:   newCensusFamilies(o.DirectoryLabel),
		known:    make(map[string]bool),
		avoided:  make(map[typedName]bool),
	}
	m.registry.MustRegister(m.fixed, m.census)
	m.registry.MustRegister(o.Collectors...)
	m.process = prometheus.WrapRegistererWithPrefix(namespace+"_", m.registry)
	m.encodingErrors = errorCounter().WithLabelValues("encoding") // nobody sees it without ProcessMetrics
	if o.ProcessMetrics {
		m.runtime.of = []prometheus.Collector{
			collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		}
		m.process.MustRegister(&m.runtime)
		m.handler(nil) // registers promhttp's metrics
	}
	m.reserved = m.census.names()
	for _, f := range m.fixed.all {
		m.reserve(f.Name, f.Type)
	}
	_, _ = m.gather() // reserves the names of the rest
	return m
}

// handler instruments a handler with promhttp's metrics.
func (m *ownMetrics) handler(h http.Handler) http.Handler {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.process}) // its counter of errors
	var known prometheus.AlreadyRegisteredError
	if errors.As(m.process.Register(errorCounter()), &known) {
		m.encodingErrors = known.ExistingCollector.(*prometheus.CounterVec).WithLabelValues("encoding")
	}
	return promhttp.InstrumentMetricHandler(m.process, h)
}

// errorCounter is as promhttp makes it, which tells nobody about its own.
func errorCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "promhttp_metric_handler_errors_total",
		Help: "Total number of internal errors encountered by the promhttp metric handler.",
	}, []string{"cause"})
}

// gather is what libraries and other collectors say.
func (m *ownMetrics) gather() ([]*dto.MetricFamily, error) {
	families, err := m.registry.Gather()
	for _, f := range families {
		m.reserve(f.GetName(), f.GetType())
	}
	return families, err
}

// reserve takes the family's sample names for good: what was left out once
// because of them must not come and go.
func (m *ownMetrics) reserve(family string, typ dto.MetricType) {
	if m.known[family] {
		return
	}
	m.known[family] = true
	clear(m.avoided)
	for _, name := range sampleNames(family, typ) {
		m.reserved[name] = true
	}
}

// avoid leaves out the merged families that have a sample name of ours.
func (m *ownMetrics) avoid(merged []aggregate.Family) (shown []aggregate.Family, conflicts []aggregate.Conflict) {
	if len(m.avoided) > 2*len(merged)+100 {
		clear(m.avoided) // most are gone
	}
	shown = merged
	for i, f := range merged {
		if !m.collides(f) {
			if len(conflicts) > 0 {
				shown = append(shown, f)
			}
			continue
		}
		if len(conflicts) == 0 {
			shown = slices.Clone(merged[:i])
		}
		conflicts = append(conflicts, aggregate.Conflict{Family: f.Name, Kind: aggregate.NameConflict})
	}
	return shown, conflicts
}

// typedName is what the names of a family's samples come from.
type typedName struct {
	name string
	typ  dto.MetricType
}

func (m *ownMetrics) collides(f aggregate.Family) bool {
	key := typedName{f.Name, f.Type}
	avoided, ok := m.avoided[key]
	if !ok {
		avoided = slices.ContainsFunc(sampleNames(f.Name, f.Type), func(name string) bool { return m.reserved[name] })
		m.avoided[key] = avoided
	}
	return avoided
}

// sampleNames is all names under which a family has samples, and its own, in all
// escapings.
func sampleNames(family string, typ dto.MetricType) (names []string) {
	suffixes := []string{""}
	switch typ {
	case dto.MetricType_HISTOGRAM:
		suffixes = []string{"", "_bucket", "_sum", "_count"}
	case dto.MetricType_SUMMARY:
		suffixes = []string{"", "_sum", "_count"}
	}
	for _, name := range escape.Names(family) {
		for _, suffix := range suffixes {
			names = append(names, name+suffix)
		}
	}
	return names
}
