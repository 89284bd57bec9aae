package textformat_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"

	"github.com/promfold/promfold/internal/textformat"
)

// random makes families of everything that the format can hold.
type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func (r random) name() string {
	return pick(r, "a", "http_requests_total", "ns:rule:rate5m", "_", "x9", "9x", "möbel", "with.dot", "with space",
		"q\"uote", "back\\slash", "new\nline", "\xff\xfe", "日本", ":", "-", "le")
}

func (r random) text() string {
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(pick(r, "plain", "/path/{id}", `"`, `\`, "\n", `\n`, "ü", "日本", "\x00", "\xff", "", " "))
	}
	return b.String()
}

func (r random) float() float64 {
	return pick(r,
		func() float64 {
			return pick(r, 0, 1, -1, 999999, 1e6, 1e6+1, -999999, -1e6, 1e20, 1e21, 1e22, 1e-4, 1e-5, 0.1,
				math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64,
				1<<53, 1<<63, -1<<63, 1<<64, math.MaxInt64)
		},
		func() float64 { return float64(r.IntN(2_000_000) - 1_000_000) },
		func() float64 { return math.Float64frombits(r.Uint64()) },
		r.NormFloat64,
	)()
}

func (r random) count() uint64 {
	return pick(r, 0, 1, uint64(r.IntN(1000)), 999_999, 1_000_000, 1<<53+1, math.MaxUint64, r.Uint64())
}

func (r random) labels() (pairs []*dto.LabelPair) {
	for range r.IntN(4) {
		pairs = append(pairs, &dto.LabelPair{Name: proto.String(r.name()), Value: proto.String(r.text())})
	}
	return pairs
}

func (r random) metric(t dto.MetricType) *dto.Metric {
	m := &dto.Metric{Label: r.labels()}
	if r.IntN(8) == 0 {
		m.TimestampMs = proto.Int64(r.Int64() - r.Int64())
	}
	switch t {
	case dto.MetricType_COUNTER:
		m.Counter = &dto.Counter{Value: proto.Float64(r.float())}
	case dto.MetricType_GAUGE:
		m.Gauge = &dto.Gauge{Value: proto.Float64(r.float())}
	case dto.MetricType_UNTYPED:
		m.Untyped = &dto.Untyped{Value: proto.Float64(r.float())}
	case dto.MetricType_SUMMARY:
		m.Summary = &dto.Summary{SampleCount: proto.Uint64(r.count()), SampleSum: proto.Float64(r.float())}
		for range r.IntN(4) {
			q := &dto.Quantile{Quantile: proto.Float64(r.float()), Value: proto.Float64(r.float())}
			m.Summary.Quantile = append(m.Summary.Quantile, q)
		}
	default:
		m.Histogram = r.histogram()
	}
	return m
}

func (r random) histogram() *dto.Histogram {
	h := &dto.Histogram{SampleCount: proto.Uint64(r.count()), SampleSum: proto.Float64(r.float())}
	floats := r.IntN(4) == 0
	for range r.IntN(6) {
		b := &dto.Bucket{UpperBound: proto.Float64(r.float()), CumulativeCount: proto.Uint64(r.count())}
		if floats {
			b.CumulativeCountFloat = proto.Float64(r.float())
		}
		h.Bucket = append(h.Bucket, b)
	}
	if floats {
		h.SampleCountFloat = proto.Float64(r.float())
	}
	return h
}

func (r random) family() *dto.MetricFamily {
	t := pick(r, dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED, dto.MetricType_SUMMARY,
		dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM)
	f := &dto.MetricFamily{Name: proto.String(r.name()), Type: &t}
	if r.IntN(4) > 0 {
		f.Help = proto.String(r.text())
	}
	for range 1 + r.IntN(4) {
		f.Metric = append(f.Metric, r.metric(t))
	}
	return f
}

func expected(t *testing.T, f *dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Property: what is appended is what expfmt writes, after what was there.
func TestAsExpfmt(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	for range 20_000 {
		f := r.family()
		before := r.text()
		got, err := textformat.Append([]byte(before), f, nil)
		if err != nil {
			t.Fatalf("%v: %v", f, err)
		}
		if want := before + expected(t, f); string(got) != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// Property: a bound that is spelled is written so, and nothing else is another.
// Since a spelling is of a number, a reader of numbers finds the same.
func TestSpelling(t *testing.T) {
	bounds := []float64{-1, 0.5, 1, 2, 1e6, 1e7}
	texts := map[float64]string{-1: "-1.0", 1: "1.0", 1e6: "1000000.0", 7: "7.0"}
	f := &dto.MetricFamily{Name: proto.String("h"), Type: dto.MetricType_HISTOGRAM.Enum(), Help: proto.String("H.")}
	for i := range 3 {
		h := &dto.Histogram{SampleCount: proto.Uint64(7), SampleSum: proto.Float64(1)} // a sum that is no bound
		for j, bound := range bounds {
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: proto.Uint64(uint64(j))})
		}
		label := &dto.LabelPair{Name: proto.String("n"), Value: proto.String(strconv.Itoa(i))}
		f.Metric = append(f.Metric, &dto.Metric{Label: []*dto.LabelPair{label}, Histogram: h})
	}
	want := strings.NewReplacer(`le="-1"`, `le="-1.0"`, `le="1"`, `le="1.0"`, `le="1e+06"`, `le="1000000.0"`).
		Replace(expected(t, f))
	got, err := textformat.Append(nil, f, texts)
	if err != nil || string(got) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}

// What expfmt refuses is refused, and leaves nothing behind.
func TestRefused(t *testing.T) {
	counter := []*dto.Metric{{Counter: &dto.Counter{Value: proto.Float64(1)}}}
	type row struct {
		family *dto.MetricFamily
		want   error
	}
	rows := []row{
		{&dto.MetricFamily{Name: proto.String("a")}, textformat.ErrNoMetric},
		{&dto.MetricFamily{Metric: counter}, textformat.ErrNoName},
		{&dto.MetricFamily{Name: proto.String("a"), Type: dto.MetricType(99).Enum(), Metric: counter}, textformat.ErrType},
	}
	for n := range dto.MetricType_name {
		typ := dto.MetricType(n)
		metrics := []*dto.Metric{random{rand.New(rand.NewPCG(1, 2))}.metric(typ), {}}
		rows = append(rows, row{&dto.MetricFamily{Name: proto.String("a"), Type: &typ, Metric: metrics}, textformat.ErrValue})
	}
	for _, c := range rows {
		if _, err := expfmt.MetricFamilyToText(&bytes.Buffer{}, c.family); err == nil {
			t.Errorf("expfmt takes %v", c.family)
		}
		if got, err := textformat.Append([]byte("x"), c.family, nil); !errors.Is(err, c.want) || string(got) != "x" {
			t.Errorf("%v: %q, %v", c.family, got, err)
		}
	}
}

// Property: with room in the slice nothing is allocated.
func TestAllocations(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	families := make([]*dto.MetricFamily, 50)
	for i := range families {
		families[i] = r.family()
	}
	spelling := map[float64]string{1: "1.0"}
	b := make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(10, func() {
		b = b[:0]
		for _, f := range families {
			b, _ = textformat.Append(b, f, spelling)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAppend is of a histogram of 1,000 series with 12 buckets.
func BenchmarkAppend(b *testing.B) {
	f := &dto.MetricFamily{Name: proto.String("http_request_duration_seconds"), Type: dto.MetricType_HISTOGRAM.Enum()}
	for i := range 1000 {
		h := &dto.Histogram{SampleCount: proto.Uint64(uint64(i)), SampleSum: proto.Float64(float64(i) / 7)}
		for j := range 12 {
			h.Bucket = append(h.Bucket, &dto.Bucket{
				UpperBound: proto.Float64(float64(j) / 10), CumulativeCount: proto.Uint64(uint64(i * j)),
			})
		}
		f.Metric = append(f.Metric, &dto.Metric{Histogram: h, Label: []*dto.LabelPair{
			{Name: proto.String("code"), Value: proto.String("200")},
			{Name: proto.String("handler"), Value: proto.String("/api/v1/resource/" + strconv.Itoa(i))},
		}})
	}
	b.Run("own", func(b *testing.B) {
		var out []byte
		for b.Loop() {
			out, _ = textformat.Append(out[:0], f, nil)
		}
		b.SetBytes(int64(len(out)))
	})
	b.Run("expfmt", func(b *testing.B) {
		var out bytes.Buffer
		for b.Loop() {
			out.Reset()
			_, _ = expfmt.MetricFamilyToText(&out, f)
		}
		b.SetBytes(int64(out.Len()))
	})
}
