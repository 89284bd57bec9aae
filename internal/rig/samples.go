//go:build linux

package rig

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
)

// Sample is one line of an exposition.
type Sample struct {
	Name       string
	Labels     map[string]string
	Value      float64
	Cumulative bool // never goes down
}

// Samples is an exposition by series: name{label="value",...}, labels sorted, and
// le as the shortest number.
type Samples map[string]Sample

// Parse reads an exposition with Prometheus' own parser, which refuses what is
// invalid.
func Parse(text string) (Samples, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return FromFamilies(maps.Values(families)), nil
}

// FromFamilies is what some other format was decoded to.
func FromFamilies(families iter.Seq[*dto.MetricFamily]) Samples {
	all := make(Samples)
	for family := range families {
		for _, m := range family.GetMetric() {
			all.addMetric(family, m)
		}
	}
	return all
}

func (s Samples) addMetric(family *dto.MetricFamily, m *dto.Metric) {
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
		inf := &dto.Bucket{ // which the protobuf format leaves to the count
			UpperBound: proto.Float64(math.Inf(1)), CumulativeCount: proto.Uint64(m.GetHistogram().GetSampleCount()),
		}
		for _, b := range append([]*dto.Bucket{inf}, m.GetHistogram().GetBucket()...) {
			with := maps.Clone(labels)
			with["le"] = Bound(b.GetUpperBound())
			s.add(name+"_bucket", with, float64(b.GetCumulativeCount()), true)
		}
	default: // a client that tells no types still has its names
		s.add(name, labels, m.GetUntyped().GetValue(), strings.HasSuffix(name, "_total"))
	}
}

func (s Samples) add(name string, labels map[string]string, value float64, cumulative bool) {
	s[Series(name, labels)] = Sample{name, labels, value, cumulative}
}

// Bound spells the bound of a bucket as the shortest number.
func Bound(le float64) string {
	if math.IsInf(le, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(le, 'g', -1, 64)
}

// Series is the notation of a series: see Samples.
func Series(name string, labels map[string]string) string {
	if len(labels) == 0 {
		return name
	}
	var pairs []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", label, labels[label]))
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// By is the values of the Samples of a name by one of their labels.
func (s Samples) By(name, label string) map[string]float64 {
	values := make(map[string]float64)
	for _, one := range s {
		if one.Name == name {
			values[one.Labels[label]] += one.Value
		}
	}
	return values
}

// Sum adds up the Samples of a name that have the labels, given as name, value,
// name, value and so on.
func (s Samples) Sum(name string, labels ...string) (total float64) {
	for _, one := range s {
		if one.Name != name {
			continue
		}
		has := true
		for i := 0; i < len(labels); i += 2 {
			has = has && one.Labels[labels[i]] == labels[i+1]
		}
		if has {
			total += one.Value
		}
	}
	return total
}

// App is without promfold's own.
func (s Samples) App() Samples {
	app := make(Samples)
	for key, one := range s {
		if !strings.HasPrefix(one.Name, "promfold_") {
			app[key] = one
		}
	}
	return app
}
