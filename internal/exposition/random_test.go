package exposition_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
)

// random makes families of everything that they can hold.
type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

func (r random) name() string {
	return pick(r, "a", "http_requests_total", "ns:rule:rate5m", "_", "x9", "9x", "möbel", "with.dot", "with.total",
		"with space", "q\"uote", "back\\slash", "new\nline", "日本", ":", "-", "le", "_total", "9_total", "__name__")
}

func (r random) text() string {
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(pick(r, "plain", "/path/{id}", `"`, `\`, "\n", `\n`, "ü", "日本", "\x00", "", " "))
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
		func() float64 { return math.Trunc(math.Exp2(70*r.Float64()) * (r.Float64() - 0.5)) },
		func() float64 { return math.Float64frombits(r.Uint64()) },
		r.NormFloat64,
	)()
}

func (r random) count() uint64 {
	return pick(r, 0, 1, uint64(r.IntN(1000)), 999_999, 1_000_000, 1<<53+1, math.MaxUint64, r.Uint64())
}

func (r random) labels(t testing.TB) mmapstore.Labels {
	var pairs []mmapstore.Label
	for range r.IntN(4) {
		pairs = append(pairs, mmapstore.Label{Name: r.name(), Value: pick(r, r.text(), r.name())})
	}
	return labelsOf(t, pairs...)
}

// labelsOf leaves out labels whose names were there.
func labelsOf(t testing.TB, pairs ...mmapstore.Label) mmapstore.Labels {
	t.Helper()
	slices.SortStableFunc(pairs, func(a, b mmapstore.Label) int { return cmp.Compare(a.Name, b.Name) })
	pairs = slices.CompactFunc(pairs, func(a, b mmapstore.Label) bool { return a.Name == b.Name })
	labels, err := mmapstore.EncodeLabels(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return labels
}

func (r random) bounds() []float64 {
	var bounds []float64
	for range r.IntN(6) {
		if bound := r.float(); !math.IsNaN(bound) && !math.IsInf(bound, 0) {
			bounds = append(bounds, bound)
		}
	}
	slices.Sort(bounds)
	return slices.Compact(bounds)
}

func (r random) family(t testing.TB) *exposition.Family {
	f := &exposition.Family{Name: pick(r, r.name(), r.name(), "\xff\xfe"), Help: r.text(), Unit: pick(r, "", "seconds", r.text())}
	f.Type = pick(r, dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED, dto.MetricType_SUMMARY,
		dto.MetricType_HISTOGRAM)
	bounds := r.bounds()
	for range 1 + pick(r, r.IntN(4), r.IntN(40)) {
		s := exposition.Series{Labels: r.labels(t), Created: pick(r, 0, r.Int64()-r.Int64())}
		if f.Type == dto.MetricType_HISTOGRAM {
			s.Bounds = pick(r, bounds, bounds, r.bounds())
		}
		f.Series = append(f.Series, s)
	}
	return f
}

// values makes words for a family.
func (r random) values(f *exposition.Family) (words []uint64) {
	float := func() uint64 { return math.Float64bits(r.float()) }
	for _, s := range f.Series {
		switch f.Type {
		case dto.MetricType_HISTOGRAM:
			for range len(s.Bounds) + 1 {
				words = append(words, r.count())
			}
			words = append(words, float())
		case dto.MetricType_SUMMARY:
			words = append(words, float(), r.count())
		default:
			words = append(words, float())
		}
	}
	return words
}

// uniform is a family of many plain series.
func uniform(t testing.TB, typ dto.MetricType, series int) *exposition.Family {
	f := &exposition.Family{Name: "http_request_duration_seconds_total", Help: "Help.", Type: typ}
	for i := range series {
		f.Series = append(f.Series, exposition.Series{
			Labels: labelsOf(t, mmapstore.Label{Name: "code", Value: "200"},
				mmapstore.Label{Name: "handler", Value: "/api/v1/resource/" + strconv.Itoa(i)}),
		})
		if typ == dto.MetricType_HISTOGRAM {
			f.Series[i].Bounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
		}
	}
	return f
}
