package textformat_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"

	"github.com/promfold/promfold/internal/textformat"
)

// Property: what is appended for any names, texts and numbers is what expfmt
// writes, and where expfmt can read it, it is read as what was written.
func FuzzAppend(f *testing.F) {
	f.Add("http_requests_total", "Help.", "code", "200", uint64(0x3ff0000000000000), uint8(0))
	f.Add("a.b", "H\n\\", "c d", "\"\\\n", math.Float64bits(math.Inf(1)), uint8(1))
	f.Add("a{b=\"\n", "", "__name__", "\x00\xff", math.Float64bits(math.NaN()), uint8(2))
	f.Add("h", "H", "le", "1", math.Float64bits(1e6), uint8(3))
	f.Add("h", "H", "l:", "", math.Float64bits(-999_999.5), uint8(4))
	f.Fuzz(func(t *testing.T, name, help, label, value string, bits uint64, kind uint8) {
		family := anyFamily(name, help, label, value, bits, kind)
		got, err := textformat.Append([]byte("before "), family, nil)
		var want bytes.Buffer
		_, wantErr := expfmt.MetricFamilyToText(&want, family)
		if (err != nil) != (wantErr != nil) || string(got) != "before "+want.String() && err == nil {
			t.Fatalf("%v, got\n%s\n%v, want\n%s", err, got, wantErr, want.Bytes())
		}
		if err != nil {
			return
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		read, err := parser.TextToMetricFamilies(&want)
		if err != nil || label == "le" || label == "quantile" {
			return // names that expfmt writes and does not read: who merges keeps them out
		}
		if len(read) != 1 || read[name] == nil || len(read[name].Metric) != 1 {
			t.Fatalf("%s\nis read as %v", got, read)
		}
		compare(t, family, read[name])
	})
}

// anyFamily is a family with one metric.
func anyFamily(name, help, label, value string, bits uint64, kind uint8) *dto.MetricFamily {
	v := math.Float64frombits(bits)
	m := &dto.Metric{Label: []*dto.LabelPair{{Name: &label, Value: &value}}}
	typ := []dto.MetricType{
		dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED, dto.MetricType_HISTOGRAM, dto.MetricType_SUMMARY,
	}[kind%5]
	switch typ {
	case dto.MetricType_COUNTER:
		m.Counter = &dto.Counter{Value: &v}
	case dto.MetricType_GAUGE:
		m.Gauge = &dto.Gauge{Value: &v}
	case dto.MetricType_UNTYPED:
		m.Untyped = &dto.Untyped{Value: &v}
	case dto.MetricType_HISTOGRAM:
		n := bits % 1000
		m.Histogram = &dto.Histogram{SampleCount: &n, SampleSum: &v, Bucket: []*dto.Bucket{{UpperBound: &v, CumulativeCount: &n}}}
	default:
		m.Summary = &dto.Summary{SampleCount: proto.Uint64(bits % 1000), SampleSum: &v}
	}
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &typ, Metric: []*dto.Metric{m}}
}

// compare holds the first sample of a family to what was read of it.
func compare(t *testing.T, want, got *dto.MetricFamily) {
	t.Helper()
	numbers := func(f *dto.MetricFamily) []byte {
		m := f.Metric[0]
		var b []byte
		for _, v := range []float64{
			m.GetCounter().GetValue(), m.GetGauge().GetValue(), m.GetUntyped().GetValue(), m.GetSummary().GetSampleSum(),
			m.GetHistogram().GetSampleSum(), float64(m.GetSummary().GetSampleCount()), float64(m.GetHistogram().GetSampleCount()),
		} {
			if v == 0 || math.IsNaN(v) {
				v = math.Abs(v) // neither has a sign in the text
			}
			if math.IsNaN(v) {
				v = math.NaN()
			}
			b = binary.NativeEndian.AppendUint64(b, math.Float64bits(v))
		}
		return b
	}
	labels := func(f *dto.MetricFamily) string {
		if len(f.Metric[0].Label) != 1 {
			return ""
		}
		return f.Metric[0].Label[0].GetName() + "=" + f.Metric[0].Label[0].GetValue()
	}
	if got.GetType() != want.GetType() || !bytes.Equal(numbers(got), numbers(want)) || labels(got) != labels(want) {
		t.Fatalf("%v\nis read as\n%v", want, got)
	}
}
