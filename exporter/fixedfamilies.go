//go:build unix

package exporter

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
)

// fixedFamilies are what the exporter says of its own work and of its program: families
// of one series each.
type fixedFamilies struct {
	merges, scrapes *durations
	failures        atomic.Uint64
	all             []fixedFamily
}

// fixedFamily is a family, and what its values are now.
type fixedFamily struct {
	*exposition.Family
	append func([]uint64) []uint64
}

func newFixedFamilies() *fixedFamilies {
	f := &fixedFamilies{merges: newDurations(), scrapes: newDurations()}
	now := time.Now().UnixNano()
	f.add("promfold_merge_duration_seconds", "Time that a scan and merge of all directories took.", dto.MetricType_HISTOGRAM,
		exposition.Series{Bounds: durationBounds, Created: now}, f.merges.appendWords)
	f.add("promfold_scrape_duration_seconds", "Time from a scrape's request to the end of its answer.", dto.MetricType_HISTOGRAM,
		exposition.Series{Bounds: durationBounds, Created: now}, f.scrapes.appendWords)
	f.add("promfold_merge_failures_total",
		"Merges that failed because a directory could not be read. Their scrapes were answered with 503.", dto.MetricType_COUNTER,
		exposition.Series{Created: now}, func(words []uint64) []uint64 {
			return append(words, math.Float64bits(float64(f.failures.Load())))
		})
	f.addBuild()
	return f
}

func (f *fixedFamilies) add(name, help string, typ dto.MetricType, s exposition.Series, words func([]uint64) []uint64) {
	family := &exposition.Family{Name: name, Help: help, Type: typ, Series: []exposition.Series{s}}
	f.all = append(f.all, fixedFamily{family, words})
}

// addBuild adds promfold_build_info as prometheus/common makes it.
func (f *fixedFamilies) addBuild() {
	r := prometheus.NewRegistry()
	r.MustRegister(version.NewCollector(namespace))
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		return // it has but one, without a way to fail
	}
	build := families[0]
	var pairs []mmapstore.Label
	for _, l := range build.Metric[0].Label {
		pairs = append(pairs, mmapstore.Label{Name: l.GetName(), Value: l.GetValue()})
	}
	labels, err := mmapstore.EncodeLabels(pairs)
	if err != nil {
		return // of a version of absurd length
	}
	one := math.Float64bits(build.Metric[0].Gauge.GetValue())
	f.add(build.GetName(), build.GetHelp(), build.GetType(), exposition.Series{Labels: labels},
		func(words []uint64) []uint64 { return append(words, one) })
}

// show appends the families as they are now.
func (f *fixedFamilies) show(all []aggregate.Family) []aggregate.Family {
	words := make([]uint64, 0, 2*(len(durationBounds)+2)+2)
	for _, family := range f.all {
		begin := len(words)
		words = family.append(words)
		all = append(all, aggregate.Family{Family: family.Family, Values: words[begin:]})
	}
	return all
}

// Describe implements prometheus.Collector, so that nobody else registers the names.
func (f *fixedFamilies) Describe(ch chan<- *prometheus.Desc) {
	for _, family := range f.all {
		var labels []string
		for name := range family.Series[0].Labels.All() {
			labels = append(labels, name)
		}
		ch <- prometheus.NewDesc(family.Name, family.Help, labels, nil)
	}
}

// Collect implements prometheus.Collector. Show is for the samples.
func (f *fixedFamilies) Collect(chan<- prometheus.Metric) {}
