package exposition_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/promfold/promfold/internal/escape"
	"github.com/promfold/promfold/internal/exposition"
)

// formats are all that Append knows.
func formats() (all []expfmt.Format) {
	for _, f := range []expfmt.Format{expfmt.FmtText, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtOpenMetrics_1_0_0} {
		for _, s := range []model.EscapingScheme{
			model.NoEscaping, model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping,
		} {
			all = append(all, f.WithEscapingScheme(s))
		}
	}
	return all
}

func styleOf(t testing.TB, format expfmt.Format) exposition.Style {
	t.Helper()
	style, ok := exposition.StyleOf(format)
	if !ok {
		t.Fatalf("no style for %q", format)
	}
	return style
}

// encoded is what expfmt makes of the family, empty if it refuses.
func encoded(format expfmt.Format, f *dto.MetricFamily) string {
	var b bytes.Buffer
	if expfmt.NewEncoder(&b, format).Encode(f) != nil {
		return ""
	}
	return b.String()
}

// built is the family as protobuf, made metric by metric.
func built(f *exposition.Family, values []uint64) *dto.MetricFamily {
	out := &dto.MetricFamily{Name: proto.String(f.Name), Help: proto.String(f.Help), Type: f.Type.Enum()}
	if f.Unit != "" {
		out.Unit = proto.String(f.Unit)
	}
	word := func() uint64 {
		w := values[0]
		values = values[1:]
		return w
	}
	float := func() *float64 { return proto.Float64(math.Float64frombits(word())) }
	for _, s := range f.Series {
		m := &dto.Metric{}
		for name, value := range s.Labels.All() {
			m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(escape.Label(name)), Value: proto.String(value)})
		}
		var created *timestamppb.Timestamp
		if s.Created != 0 {
			created = timestamppb.New(time.Unix(0, s.Created))
		}
		switch f.Type {
		case dto.MetricType_COUNTER:
			m.Counter = &dto.Counter{Value: float(), CreatedTimestamp: created}
		case dto.MetricType_GAUGE:
			m.Gauge = &dto.Gauge{Value: float()}
		case dto.MetricType_UNTYPED:
			m.Untyped = &dto.Untyped{Value: float()}
		case dto.MetricType_SUMMARY:
			m.Summary = &dto.Summary{SampleSum: float(), SampleCount: proto.Uint64(word()), CreatedTimestamp: created}
		default:
			m.Histogram = &dto.Histogram{CreatedTimestamp: created}
			for _, bound := range s.Bounds {
				b := &dto.Bucket{UpperBound: proto.Float64(bound), CumulativeCount: proto.Uint64(word())}
				m.Histogram.Bucket = append(m.Histogram.Bucket, b)
			}
			m.Histogram.SampleCount, m.Histogram.SampleSum = proto.Uint64(word()), float()
		}
		out.Metric = append(out.Metric, m)
	}
	return out
}

// check holds all that is made of the family to protobuf's and expfmt's.
func check(t *testing.T, f *exposition.Family, values []uint64) {
	t.Helper()
	want := built(f, values)
	if got := f.DTO(values); !proto.Equal(got, want) {
		t.Fatalf("got\n%v\nwant\n%v", got, want)
	}
	if n := f.Words(); n != len(values) {
		t.Fatalf("%d words, want %d", n, len(values))
	}
	for _, format := range formats() {
		got := f.Append([]byte("before "), styleOf(t, format), values, 0, len(f.Series))
		if want := "before " + encoded(format, want); string(got) != want {
			t.Fatalf("%s: got\n%s\nwant\n%s", format, got, want)
		}
	}
}

// Property: whatever a family is of, what is appended in a format and an escaping
// scheme is what expfmt writes in it, after what was there. It is so again with
// other values, when nothing is rendered any more.
func TestAsExpfmt(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		f := r.family(t)
		check(t, f, r.values(f))
		check(t, f, r.values(f))
	}
}
