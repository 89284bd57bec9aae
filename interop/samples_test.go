//go:build interop && linux

package interop_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// sample is one line of an exposition.
type sample struct {
	name       string
	labels     map[string]string
	value      float64
	cumulative bool // never goes down
}

// samples is an exposition by series: name{label="value",...}, labels sorted, and
// le as the shortest number.
type samples map[string]sample

// parse reads an exposition with Prometheus' own parser, which refuses what is
// invalid.
func parse(text string) (samples, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	all := make(samples)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			all.addMetric(family, m)
		}
	}
	return all, nil
}

func (s samples) addMetric(family *dto.MetricFamily, m *dto.Metric) {
	name := family.GetName()
	labels := make(map[string]string)
	for _, pair := range m.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	switch family.GetType() {
	case dto.MetricType_COUNTER:
		s.add(name, labels, m.GetCounter().GetValue(), true)
	case dto.MetricType_GAUGE:
		s.add(name, labels, m.GetGauge().GetValue(), false)
	case dto.MetricType_SUMMARY:
		s.add(name+"_sum", labels, m.GetSummary().GetSampleSum(), true)
		s.add(name+"_count", labels, float64(m.GetSummary().GetSampleCount()), true)
	case dto.MetricType_HISTOGRAM:
		s.add(name+"_sum", labels, m.GetHistogram().GetSampleSum(), true)
		s.add(name+"_count", labels, float64(m.GetHistogram().GetSampleCount()), true)
		for _, b := range m.GetHistogram().GetBucket() {
			with := maps.Clone(labels)
			with["le"] = bound(b.GetUpperBound())
			s.add(name+"_bucket", with, float64(b.GetCumulativeCount()), true)
		}
	default: // a client that tells no types still has its names
		s.add(name, labels, m.GetUntyped().GetValue(), strings.HasSuffix(name, "_total"))
	}
}

func (s samples) add(name string, labels map[string]string, value float64, cumulative bool) {
	s[series(name, labels)] = sample{name, labels, value, cumulative}
}

func bound(le float64) string {
	if math.IsInf(le, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(le, 'g', -1, 64)
}

func series(name string, labels map[string]string) string {
	if len(labels) == 0 {
		return name
	}
	var pairs []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", label, labels[label]))
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// by is the values of the samples of a name by one of their labels.
func (s samples) by(name, label string) map[string]float64 {
	values := make(map[string]float64)
	for _, one := range s {
		if one.name == name {
			values[one.labels[label]] += one.value
		}
	}
	return values
}

// sum adds up the samples of a name that have the labels, given as name, value,
// name, value and so on.
func (s samples) sum(name string, labels ...string) (total float64) {
	for _, one := range s {
		if one.name != name {
			continue
		}
		has := true
		for i := 0; i < len(labels); i += 2 {
			has = has && one.labels[labels[i]] == labels[i+1]
		}
		if has {
			total += one.value
		}
	}
	return total
}

// app is without promfold's own.
func (s samples) app() samples {
	app := make(samples)
	for key, one := range s {
		if !strings.HasPrefix(one.name, "promfold_") {
			app[key] = one
		}
	}
	return app
}
