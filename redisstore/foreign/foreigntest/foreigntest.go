// Package foreigntest is for tests of readers of other libraries' stores.
package foreigntest

import (
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/redisstore/foreign"
)

// Quiet is a logger that nobody hears.
var Quiet = slog.New(slog.DiscardHandler)

// Dump reads the hashes of a dump of Redis.
func Dump(tb testing.TB, path string) []foreign.Hash {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var dump map[string]struct {
		Type  string            `json:"type"`
		Value map[string]string `json:"value"`
	}
	if err := json.Unmarshal(b, &dump); err != nil {
		tb.Fatal(err)
	}
	var all []foreign.Hash
	for key, entry := range dump {
		if entry.Type != "hash" {
			tb.Fatalf("%s is a %s", key, entry.Type)
		}
		all = append(all, foreign.Hash{Key: key, Fields: entry.Value})
	}
	return all
}

// Text is the exposition of the merge of the sources, which must be valid in the text
// format and in OpenMetrics.
func Text(tb testing.TB, m *aggregate.Merger, sources ...aggregate.Source) string {
	tb.Helper()
	r, err := m.Merge(sources)
	if err != nil {
		tb.Fatal(err)
	}
	text := render(r, exposition.Style{})
	if err := fixture.Valid(text); err != nil {
		tb.Fatalf("%v:\n%s", err, text)
	}
	style, ok := exposition.StyleOf(expfmt.FmtOpenMetrics_1_0_0)
	if !ok {
		tb.Fatal("no OpenMetrics")
	}
	open := append(render(r, style), "# EOF\n"...)
	if err := fixture.ValidOpenMetrics(open); err != nil {
		tb.Fatalf("%v:\n%s", err, open)
	}
	return string(text)
}

func render(r *aggregate.Result, style exposition.Style) (text []byte) {
	for _, f := range r.Families {
		text = f.Append(text, style, f.Values, 0, len(f.Series))
	}
	return text
}

// Samples are the samples of an exposition as fixture.Samples has them.
func Samples(tb testing.TB, text string) map[string]float64 {
	tb.Helper()
	samples := make(map[string]float64)
	for _, s := range fixture.Parse(tb, text).Samples {
		if le, err := strconv.ParseFloat(s.Labels["le"], 64); err == nil {
			s.Labels["le"] = strconv.FormatFloat(le, 'g', -1, 64)
		}
		samples[fixture.Series(s.Name, s.Labels)] = s.Value
	}
	return samples
}

// Equal fails the test unless the samples are the same. The text format, as expfmt
// writes it, shows no sign of zero.
func Equal(tb testing.TB, got, want map[string]float64) {
	tb.Helper()
	for name, value := range want {
		v, ok := got[name]
		if !ok {
			tb.Errorf("%s is not there", name)
		} else if v != value && !(math.IsNaN(v) && math.IsNaN(value)) {
			tb.Errorf("%s = %v, not %v", name, v, value)
		}
	}
	for name, v := range got {
		if _, ok := want[name]; !ok {
			tb.Errorf("%s = %v is there too", name, v)
		}
	}
}

// SameTypes fails the test unless each family that has samples is of the wanted type.
func SameTypes(tb testing.TB, got, want string) {
	tb.Helper()
	types := fixture.Parse(tb, got).Types
	wanted := fixture.Parse(tb, want)
	for name, typ := range types {
		if wanted.Types[name] != typ {
			tb.Errorf("%s is a %s, not a %q", name, typ, wanted.Types[name])
		}
	}
}

// Counts are the counters of a reader, by reason, those at zero left out.
func Counts(tb testing.TB, collectors []prometheus.Collector) map[string]int {
	tb.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectors...)
	families, err := registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	counts := make(map[string]int)
	for _, f := range families {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if v := m.Counter.GetValue(); l.GetName() == "reason" && v > 0 {
					counts[l.GetValue()] += int(v)
				}
			}
		}
	}
	return counts
}
