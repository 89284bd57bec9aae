// Package textformat writes metric families in the Prometheus text format 0.0.4,
// byte for byte as expfmt does, but for the bounds of buckets whose spelling is
// given.
package textformat

import (
	"errors"
	"math"

	dto "github.com/prometheus/client_model/go"
)

// Why a family cannot be written.
var (
	ErrNoName   = errors.New("metric family has no name")
	ErrNoMetric = errors.New("metric family has no metrics")
	ErrType     = errors.New("metric family is of unknown type")
	ErrValue    = errors.New("metric has no value of its family's type")
)

// Append appends the family. spelling is the text of those bounds of buckets
// that are not written as other numbers are; it may be nil. If the family cannot
// be written b comes back as it was.
//
// As expfmt, it writes names as they are: model.EscapeMetricFamily makes what an
// old reader can take. Of a native histogram it writes what is classic.
func Append(b []byte, f *dto.MetricFamily, spelling map[float64]string) ([]byte, error) {
	return AppendPart(b, f, 0, len(f.Metric), spelling)
}

// AppendPart is Append for the metrics from one index up to another, and for what
// is said of the family if that begins with the first.
func AppendPart(b []byte, f *dto.MetricFamily, from, to int, spelling map[float64]string) ([]byte, error) {
	switch {
	case len(f.Metric) == 0:
		return b, ErrNoMetric
	case f.GetName() == "":
		return b, ErrNoName
	}
	typ := typeName(f.GetType())
	if typ == "" {
		return b, ErrType
	}
	a := appender{b: b, name: f.GetName(), legacy: isLegacy(f.GetName()), spelling: spelling}
	if from == 0 {
		a.head(f, typ)
	}
	for _, m := range f.Metric[from:to] {
		if !a.metric(f.GetType(), m) {
			return b, ErrValue
		}
	}
	return a.b, nil
}

func typeName(t dto.MetricType) string {
	switch t {
	case dto.MetricType_COUNTER:
		return "counter"
	case dto.MetricType_GAUGE:
		return "gauge"
	case dto.MetricType_SUMMARY:
		return "summary"
	case dto.MetricType_UNTYPED:
		return "untyped"
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM: // the format knows but one
		return "histogram"
	default:
		return ""
	}
}

// appender writes the lines of one family.
type appender struct {
	b        []byte
	name     string
	legacy   bool // the name stands before the braces, not inside
	spelling map[float64]string

	// separator comes before the next label: '{' until something is in braces.
	separator byte
	// labels and labelsEnd are where in b the labels of the present metric were
	// written for its first line, to be copied for the others; 0 for not yet.
	labels, labelsEnd int
}

// head is the lines about the family.
func (a *appender) head(f *dto.MetricFamily, typ string) {
	if f.Help != nil {
		a.comment("# HELP ")
		a.b = appendEscaped(a.b, *f.Help, false)
		a.b = append(a.b, '\n')
	}
	a.comment("# TYPE ")
	a.b = append(append(a.b, typ...), '\n')
}

// comment begins a line about the family.
func (a *appender) comment(kind string) {
	a.b = append(a.b, kind...)
	a.b = appendName(a.b, a.name)
	a.b = append(a.b, ' ')
}

// metric reports false if it has no value of the type.
func (a *appender) metric(t dto.MetricType, m *dto.Metric) bool {
	a.labels, a.labelsEnd = 0, 0
	switch t {
	case dto.MetricType_COUNTER:
		a.sample("", m, m.Counter.GetValue())
		return m.Counter != nil
	case dto.MetricType_GAUGE:
		a.sample("", m, m.Gauge.GetValue())
		return m.Gauge != nil
	case dto.MetricType_UNTYPED:
		a.sample("", m, m.Untyped.GetValue())
		return m.Untyped != nil
	case dto.MetricType_SUMMARY:
		a.summary(m, m.Summary)
		return m.Summary != nil
	default:
		a.histogram(m, m.Histogram)
		return m.Histogram != nil
	}
}

func (a *appender) summary(m *dto.Metric, s *dto.Summary) {
	for _, q := range s.GetQuantile() {
		a.begin("", m)
		a.extra("quantile")
		a.b = appendFloat(a.b, q.GetQuantile())
		a.b = append(a.b, '"')
		a.end(m, q.GetValue())
	}
	a.sample("_sum", m, s.GetSampleSum())
	a.sample("_count", m, float64(s.GetSampleCount()))
}

func (a *appender) histogram(m *dto.Metric, h *dto.Histogram) {
	total := count(h.GetSampleCountFloat(), h.GetSampleCount())
	infinite := false
	for _, bucket := range h.GetBucket() {
		bound := bucket.GetUpperBound()
		a.bucket(m, bound, count(bucket.GetCumulativeCountFloat(), bucket.GetCumulativeCount()))
		infinite = infinite || math.IsInf(bound, +1)
	}
	if !infinite {
		a.bucket(m, math.Inf(+1), total)
	}
	a.sample("_sum", m, h.GetSampleSum())
	a.sample("_count", m, total)
}

// count is of a histogram, which has one or the other.
func count(float float64, whole uint64) float64 {
	if float != 0 {
		return float
	}
	return float64(whole)
}

func (a *appender) bucket(m *dto.Metric, bound, count float64) {
	a.begin("_bucket", m)
	a.extra("le")
	if text, ok := a.spelling[bound]; ok {
		a.b = appendEscaped(a.b, text, true)
	} else {
		a.b = appendFloat(a.b, bound)
	}
	a.b = append(a.b, '"')
	a.end(m, count)
}

func (a *appender) sample(suffix string, m *dto.Metric, value float64) {
	a.begin(suffix, m)
	a.end(m, value)
}
