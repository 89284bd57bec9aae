package exposition_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/internal/exposition"
)

// BenchmarkAppend is of lines, each with a number: ns/op is of one line.
func BenchmarkAppend(b *testing.B) {
	const series = 1000
	r := rand.New(rand.NewPCG(1, 2))
	for _, of := range []struct {
		name  string
		value func() float64
	}{
		{"small", func() float64 { return float64(r.IntN(1_000_000)) }},
		{"1e9", func() float64 { return 1e9 + float64(r.IntN(1_000_000)) }},
		{"float", func() float64 { return 1e4 * r.Float64() }},
	} {
		f := uniform(b, dto.MetricType_COUNTER, series)
		values := make([]uint64, series)
		for i := range values {
			values[i] = math.Float64bits(of.value())
		}
		for _, format := range []expfmt.Format{expfmt.FmtText, expfmt.FmtOpenMetrics_1_0_0} {
			name := of.name + "/" + format.Version()
			b.Run(name+"/own", func(b *testing.B) {
				style, out := styleOf(b, format), f.Append(nil, styleOf(b, format), values, 0, series)
				b.ResetTimer()
				for n := 0; n < b.N; n += series {
					out = f.Append(out[:0], style, values, 0, series)
				}
			})
			b.Run(name+"/expfmt", func(b *testing.B) {
				var out bytes.Buffer
				family, encoder := f.DTO(values), expfmt.NewEncoder(&out, format)
				b.ResetTimer()
				for n := 0; n < b.N; n += series {
					out.Reset()
					_ = encoder.Encode(family)
				}
			})
		}
	}
}

// BenchmarkHistograms is of histograms with 14 lines each, and ns/op of one line.
func BenchmarkHistograms(b *testing.B) {
	const series, lines = 100, 14
	f := uniform(b, dto.MetricType_HISTOGRAM, series)
	values := make([]uint64, f.Words())
	for i := range values {
		values[i] = uint64(i % 13 * 997)
		if i%13 == 12 {
			values[i] = math.Float64bits(float64(i) / 7)
		}
	}
	style, out := styleOf(b, expfmt.FmtText), f.Append(nil, styleOf(b, expfmt.FmtText), values, 0, series)
	b.ResetTimer()
	for n := 0; n < b.N; n += series * lines {
		out = f.Append(out[:0], style, values, 0, series)
	}
}

// BenchmarkRender is of lines that nobody has asked for before, and ns/op of one.
func BenchmarkRender(b *testing.B) {
	for name, typ := range map[string]dto.MetricType{
		"counter": dto.MetricType_COUNTER, "histogram": dto.MetricType_HISTOGRAM,
	} {
		b.Run(name, func(b *testing.B) {
			same, style := uniform(b, typ, 1000), styleOf(b, expfmt.FmtText)
			values := make([]uint64, same.Words())
			out := same.Append(nil, style, values, 0, len(same.Series))
			lines := bytes.Count(out, []byte("\n"))
			b.ResetTimer()
			for n := 0; n < b.N; n += lines {
				f := &exposition.Family{Name: same.Name, Help: same.Help, Type: typ, Series: same.Series}
				out = f.Append(out[:0], style, values, 0, len(f.Series))
			}
		})
	}
}

// BenchmarkDTO is of a family of 1,000 series.
func BenchmarkDTO(b *testing.B) {
	for name, typ := range map[string]dto.MetricType{
		"counter": dto.MetricType_COUNTER, "histogram": dto.MetricType_HISTOGRAM,
	} {
		b.Run(name, func(b *testing.B) {
			f := uniform(b, typ, 1000)
			values := make([]uint64, f.Words())
			b.ReportAllocs()
			for b.Loop() {
				_ = f.DTO(values)
			}
		})
	}
}
