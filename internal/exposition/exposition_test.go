package exposition_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/promfold/promfold/internal/escape"
	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
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
	for range 1000 {
		f := r.family(t)
		check(t, f, r.values(f))
		check(t, f, r.values(f))
	}
}

// shapes are families of each kind that differs in how it is written.
func shapes(t *testing.T) map[string]*exposition.Family {
	label := func(pairs ...string) []exposition.Series {
		var labels []mmapstore.Label
		for i := 0; i < len(pairs); i += 2 {
			labels = append(labels, mmapstore.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		return []exposition.Series{{Labels: labelsOf(t, labels...)}}
	}
	many := label("a", "1", "b", "", "c", "x y", "d", `\`, "e", "\"", "f", "\n", "g", "\x00")
	all := map[string]*exposition.Family{}
	for number, typ := range dto.MetricType_name {
		typ := strings.ToLower(typ)
		for name, f := range map[string]*exposition.Family{
			"plain":           {Name: "a_total", Help: "Help.", Series: label("code", "200")},
			"no labels":       {Name: "a", Help: "Help.", Series: label()},
			"no labels utf-8": {Name: "a.b", Help: "Help.", Series: label()},
			"no help":         {Name: "a", Series: many},
			"escapes":         {Name: "a", Help: "\n\\ \"quoted\"", Series: many},
			"unit":            {Name: "a_seconds_total", Unit: "seconds", Series: label("n", "1")},
			"unit of nothing": {Name: "total", Unit: "\"\n", Series: label("n", "1")},
			"name utf-8":      {Name: "möbel.total", Help: "Help.", Unit: "möbel", Series: label("n", "1")},
			"name of quotes":  {Name: "a{b=\"\n", Series: label("n", "1")},
			"name invalid":    {Name: "\xff\xfe", Series: label("n", "1")},
			"suffix alone":    {Name: "_total", Help: "Help.", Series: label("n", "1")},
			"label utf-8":     {Name: "a", Series: label("n.m", "1", "ü", "2")},
			"label of colons": {Name: "a", Series: label("n:m", "1", ":", "2")},
			"label of names":  {Name: "a", Series: label("__name__", "b.c", "n", "2")},
			"many series":     {Name: "a", Series: append(append(label("n", "1"), label()...), many...)},
			"no name":         {Help: "Help.", Series: label("n", "1")},
			"no series":       {Name: "a", Help: "Help."},
		} {
			f.Type = dto.MetricType(number)
			if f.Type == dto.MetricType_GAUGE_HISTOGRAM {
				continue // is in none of our sources
			}
			for i := range f.Series {
				f.Series[i].Created = int64(i) * 1_000_000_001
			}
			all[typ+", "+name] = f
			if f.Type == dto.MetricType_HISTOGRAM {
				bounded := &exposition.Family{Name: f.Name, Help: f.Help, Unit: f.Unit, Type: f.Type}
				for i, s := range f.Series {
					s.Bounds = []float64{-1, 0, 1e-5, 0.5, 1, 999_999, 1e6, 1<<53 + 2}[i:]
					bounded.Series = append(bounded.Series, s)
				}
				all[typ+" of buckets, "+name] = bounded
			}
		}
	}
	return all
}

// Property: what is true of random families is true of each of these kinds, with
// numbers of each kind in every place.
func TestShapes(t *testing.T) {
	for name, f := range shapes(t) {
		t.Run(name, func(t *testing.T) {
			for i := range 10 {
				values := random{rand.New(rand.NewPCG(uint64(i), 2))}.values(f)
				check(t, f, values)
			}
		})
	}
}

// Property: the parts of a family, however it is divided, are the whole.
func TestParts(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	for range 300 {
		f := r.family(t)
		values := r.values(f)
		style := styleOf(t, pick(r, formats()...))
		want := f.Append(nil, style, values, 0, len(f.Series))
		var got []byte
		for from := 0; from < len(f.Series); {
			to := from + r.IntN(len(f.Series)-from+1)
			if from == 0 {
				to = max(to, 1) // the head comes once
			}
			got = f.Append(got, style, values, from, to)
			from = to
		}
		if string(got) != string(want) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// Property: a bound that is spelled is written so in the text format, and nothing
// else is another. Since a spelling is of a number, a reader of numbers finds the
// same. In OpenMetrics it changes nothing.
func TestSpelling(t *testing.T) {
	f := &exposition.Family{
		Name: "h", Help: "H.", Type: dto.MetricType_HISTOGRAM,
		Spelling: map[float64]string{-1: "-1.0", 1: "1.0", 1e6: "1000000.0", 7: "7.0"},
	}
	var values []uint64
	for i := range 3 {
		labels := labelsOf(t, mmapstore.Label{Name: "n", Value: fmt.Sprint(i)})
		f.Series = append(f.Series, exposition.Series{Labels: labels, Bounds: []float64{-1, 0.5, 1, 2, 1e6, 1e7}})
		values = append(values, 0, 1, 2, 3, 4, 5, 7, math.Float64bits(1)) // a count and a sum that are no bounds
	}
	plain := built(f, values)
	for _, format := range formats() {
		got, want := string(f.Append(nil, styleOf(t, format), values, 0, 3)), encoded(format, plain)
		if format.FormatType() == expfmt.TypeTextPlain {
			want = strings.NewReplacer(`le="-1"`, `le="-1.0"`, `le="1"`, `le="1.0"`, `le="1e+06"`, `le="1000000.0"`).Replace(want)
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
		}
		if format.FormatType() == expfmt.TypeTextPlain && !proto.Equal(parsed(t, got), parsed(t, encoded(format, plain))) {
			t.Errorf("other numbers are read of\n%s", got)
		}
	}
}

// Property: whatever a spelling is of, it does not end its label.
func TestSpellingEscaped(t *testing.T) {
	f := uniform(t, dto.MetricType_HISTOGRAM, 1)
	f.Spelling = map[float64]string{1: "\"\n\\"}
	if got := f.Append(nil, exposition.Style{}, make([]uint64, f.Words()), 0, 1); !bytes.Contains(got, []byte(`,le="\"\n\\"} 0`)) {
		t.Errorf("%s", got)
	}
}

// A family of another type has nothing to append, in any style.
func TestOtherTypes(t *testing.T) {
	for _, typ := range []dto.MetricType{dto.MetricType_GAUGE_HISTOGRAM, 99, -1} {
		f := uniform(t, typ, 3)
		for _, format := range formats() {
			if got := f.Append([]byte("before"), styleOf(t, format), make([]uint64, f.Words()), 0, 3); string(got) != "before" {
				t.Errorf("%v: %s", typ, got)
			}
		}
	}
}

// parsed is the family h of a text.
func parsed(t *testing.T, text string) *dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || families["h"] == nil {
		t.Fatalf("%v, read of\n%s", err, text)
	}
	return families["h"]
}

// Property: goroutines that are the first to ask for a rendering, of all styles at
// once, all get it whole. For the race detector as well.
func TestShared(t *testing.T) {
	r := random{rand.New(rand.NewPCG(5, 6))}
	for range 20 {
		f := r.family(t)
		values := r.values(f)
		want := built(f, values)
		var wg sync.WaitGroup
		for _, format := range append(formats(), formats()...) {
			style := styleOf(t, format)
			wg.Go(func() {
				if got := f.Append(nil, style, values, 0, len(f.Series)); string(got) != encoded(format, want) {
					t.Errorf("%s: got\n%s", format, got)
				}
			})
		}
		wg.Wait()
	}
}

// A format that is not written here is not taken for one that is.
func TestOtherFormats(t *testing.T) {
	for _, format := range []expfmt.Format{
		expfmt.FmtUnknown, expfmt.FmtProtoDelim, expfmt.FmtProtoText, expfmt.FmtProtoCompact, expfmt.FmtOpenMetrics_2_0_0, "",
	} {
		if style, ok := exposition.StyleOf(format.WithEscapingScheme(model.NoEscaping)); ok {
			t.Errorf("%q is %v", format, style)
		}
	}
}
