package exposition

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/promfold/promfold/internal/escape"
)

// DTO is the family with its values, as protobuf and prometheus.Gatherer want it,
// its names not escaped. It belongs to the caller and shares nothing that can be
// changed with another. What is alike in all series is allocated at once for all,
// so whoever keeps one metric keeps the family.
func (f *Family) DTO(values []uint64) *dto.MetricFamily {
	out := &dto.MetricFamily{Name: own(f.Name), Help: own(f.Help), Type: own(f.Type)}
	if f.Unit != "" {
		out.Unit = own(f.Unit)
	}
	metrics := make([]dto.Metric, len(f.Series))
	out.Metric = make([]*dto.Metric, len(f.Series))
	for i := range metrics {
		out.Metric[i] = &metrics[i]
	}
	f.addLabels(metrics)
	switch f.Type {
	case dto.MetricType_COUNTER:
		f.addCounters(metrics, values)
	case dto.MetricType_HISTOGRAM:
		f.addHistograms(metrics, values)
	case dto.MetricType_SUMMARY:
		f.addSummaries(metrics, values)
	case dto.MetricType_UNTYPED:
		floats, untyped := floatsOf(values), make([]dto.Untyped, len(metrics))
		for i := range metrics {
			untyped[i].Value, metrics[i].Untyped = &floats[i], &untyped[i]
		}
	default:
		floats, gauges := floatsOf(values), make([]dto.Gauge, len(metrics))
		for i := range metrics {
			gauges[i].Value, metrics[i].Gauge = &floats[i], &gauges[i]
		}
	}
	return out
}

func own[T any](v T) *T { return &v }

func floatsOf(values []uint64) []float64 {
	floats := make([]float64, len(values))
	for i, bits := range values {
		floats[i] = math.Float64frombits(bits)
	}
	return floats
}

func (f *Family) addLabels(metrics []dto.Metric) {
	n := 0
	for i := range f.Series {
		for range f.Series[i].Labels.All() {
			n++
		}
	}
	type label struct {
		name, value string
		pair        dto.LabelPair
	}
	labels, pairs := make([]label, n), make([]*dto.LabelPair, 0, n)
	for i := range f.Series {
		begin := len(pairs)
		for name, value := range f.Series[i].Labels.All() {
			l := &labels[len(pairs)]
			l.name, l.value = escape.Label(name), value
			l.pair.Name, l.pair.Value = &l.name, &l.value
			pairs = append(pairs, &l.pair)
		}
		if end := len(pairs); end > begin {
			metrics[i].Label = pairs[begin:end:end]
		}
	}
}

func (f *Family) addCounters(metrics []dto.Metric, values []uint64) {
	floats, created := floatsOf(values), f.createdTimestamps()
	counters := make([]dto.Counter, len(metrics))
	for i := range metrics {
		counters[i].Value, counters[i].CreatedTimestamp = &floats[i], created(i)
		metrics[i].Counter = &counters[i]
	}
}

func (f *Family) addSummaries(metrics []dto.Metric, values []uint64) {
	type summary struct {
		sum   float64
		count uint64
		dto   dto.Summary
	}
	created := f.createdTimestamps()
	summaries := make([]summary, len(metrics))
	for i := range metrics {
		s := &summaries[i]
		s.sum, s.count = math.Float64frombits(values[2*i]), values[2*i+1]
		s.dto.SampleSum, s.dto.SampleCount, s.dto.CreatedTimestamp = &s.sum, &s.count, created(i)
		metrics[i].Summary = &s.dto
	}
}

func (f *Family) addHistograms(metrics []dto.Metric, values []uint64) {
	type bucket struct {
		bound float64
		count uint64
		dto   dto.Bucket
	}
	type histogram struct {
		sum   float64
		count uint64
		dto   dto.Histogram
	}
	n := f.Words() - 2*len(metrics) // of the words of each two are no bucket's
	buckets, pointers := make([]bucket, n), make([]*dto.Bucket, n)
	histograms := make([]histogram, len(metrics))
	created := f.createdTimestamps()
	for i := range metrics {
		bounds, h := f.Series[i].Bounds, &histograms[i]
		n := len(bounds)
		for j, bound := range bounds {
			b := &buckets[j]
			b.bound, b.count = bound, values[j]
			b.dto.UpperBound, b.dto.CumulativeCount = &b.bound, &b.count
			pointers[j] = &b.dto
		}
		h.count, h.sum = values[n], math.Float64frombits(values[n+1])
		h.dto.SampleCount, h.dto.SampleSum, h.dto.CreatedTimestamp = &h.count, &h.sum, created(i)
		h.dto.Bucket = pointers[:n:n]
		metrics[i].Histogram = &h.dto
		buckets, pointers, values = buckets[n:], pointers[n:], values[n+2:]
	}
}

// createdTimestamps is of the series by their index; nil of those that have none.
func (f *Family) createdTimestamps() func(series int) *timestamppb.Timestamp {
	n := 0
	for i := range f.Series {
		if f.Series[i].Created != 0 {
			n++
		}
	}
	left := make([]timestamppb.Timestamp, n)
	return func(series int) *timestamppb.Timestamp {
		created := f.Series[series].Created
		if created == 0 {
			return nil
		}
		t, at := &left[0], time.Unix(0, created)
		left = left[1:]
		t.Seconds, t.Nanos = at.Unix(), int32(at.Nanosecond())
		return t
	}
}
