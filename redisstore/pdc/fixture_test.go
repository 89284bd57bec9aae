package pdc

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// decoded is what the hashes come to, and what was counted on the way.
func decoded(t testing.TB, prefix string, hashes ...foreign.Hash) (text string, counts map[string]int) {
	t.Helper()
	ledger := foreign.NewLedger("pdc:"+prefix, foreigntest.Quiet)
	round := ledger.Begin()
	d := NewDecoder(prefix, round)
	for _, h := range hashes {
		d.Add(h)
	}
	source := foreign.NewBook("pdc", nil).Bind(d.Table(), nil)
	round.Close()
	return foreigntest.Text(t, aggregate.NewMerger(time.Now), source), foreigntest.Counts(t, ledger.Collectors())
}

// of is a hash by fields and values, one after the other.
func of(key string, pairs ...string) foreign.Hash {
	h := foreign.Hash{Key: key, Fields: make(map[string]string)}
	for i := 0; i < len(pairs); i += 2 {
		h.Fields[pairs[i]] = pairs[i+1]
	}
	return h
}

// Property: what the library's own exposition shows of a database is what we show of
// it, sample by sample and type by type, and nothing is amiss.
func TestFixtures(t *testing.T) {
	old := fixture.Samples(t, "testdata/v1.2.2/expected.prom")
	// These releases ran the same program, with a counter that was reset after use.
	reset := maps.Clone(old)
	reset["fx_resetme_total"], reset["fx_resetme_created"] = 0, 1700000000.25
	late := maps.Clone(reset) // writes nothing for a metric that is not used
	delete(late, "fx_sub_untouched_bytes_created")
	for _, c := range []struct {
		dir, prefix string
		want        map[string]float64
	}{
		{"v1.2.2", "", old},
		{"v1.2.3", "fx", reset},
		{"v2.0.1", "fx", reset},
		{"v2.1.5", "fx", late},
		{"head", "fx", fixture.Samples(t, "testdata/head/expected.prom")},
	} {
		t.Run(c.dir, func(t *testing.T) {
			text, counts := decoded(t, c.prefix, foreigntest.Dump(t, "testdata/"+c.dir+"/redis_dump.json")...)
			foreigntest.Equal(t, foreigntest.Samples(t, text), c.want)
			want, err := os.ReadFile("testdata/head/expected.prom")
			if err != nil {
				t.Fatal(err)
			}
			types := string(want) + "# TYPE fx_sub_untouched_bytes_created gauge\n"
			foreigntest.SameTypes(t, text, types)
			if len(counts) > 0 {
				t.Errorf("counted %v", counts)
			}
		})
	}
}

// Property: two releases that write into one database have one series where they write
// the same one: what each counted is added up, a gauge is that of the later release,
// and each duplicate is counted.
func TestMixedLayouts(t *testing.T) {
	old := foreigntest.Dump(t, "testdata/v2.0.1/redis_dump.json")
	head := foreigntest.Dump(t, "testdata/v2.1.5/redis_dump.json")
	for i := range head {
		for field := range head[i].Fields {
			if strings.HasPrefix(field, ":") {
				head[i].Fields[field] = "77"
			}
		}
	}
	want := fixture.Samples(t, "testdata/v1.2.2/expected.prom")
	want["fx_resetme_total"], want["fx_resetme_created"] = 0, 1700000000.25
	text, counts := decoded(t, "fx", slices.Concat(old, head)...)
	types := fixture.Parse(t, text).Types
	duplicates := 0
	for name := range want {
		family, _, _ := strings.Cut(name, " ")
		switch {
		case strings.HasSuffix(family, "_created"):
			if family != "fx_sub_untouched_bytes_created" {
				duplicates++
			}
			continue
		case types[family] == "gauge":
			want[name] = 77
		default:
			want[name] *= 2
		}
		duplicates++
	}
	foreigntest.Equal(t, foreigntest.Samples(t, text), want)
	if counts["duplicate"] != duplicates || len(counts) != 1 {
		t.Errorf("counted %v, not %d duplicates", counts, duplicates)
	}
}

// Property: both spellings of one field are one series.
func TestBothSpellings(t *testing.T) {
	text, counts := decoded(t, "p", of("p_jobs",
		`_total:{"a": "1", "b": "2"}`, "3", `_total:{"a":"1","b":"2"}`, "4",
		`_created:{"a": "1", "b": "2"}`, "100", `_created:{"a":"1","b":"2"}`, "200"),
		of("p_depth", `:{"a": "1"}`, "9", `:{"a":"1"}`, "5"))
	foreigntest.Equal(t, foreigntest.Samples(t, text), map[string]float64{
		`jobs_total a="1" b="2"`: 7, `jobs_created a="1" b="2"`: 100, `depth a="1"`: 5,
	})
	if counts["duplicate"] != 3 || len(counts) != 1 {
		t.Errorf("counted %v", counts)
	}
}

// Property: what looks like a part of a histogram or summary, but has no other parts
// beside it, is a gauge of that name.
func TestSuffixesOfGauges(t *testing.T) {
	for _, c := range []struct {
		name   string
		hashes []foreign.Hash
		want   string // type and samples
	}{
		{"count alone", []foreign.Hash{of("p_x_count", `{}`, "-1")}, "x_count gauge"},
		{"sum alone", []foreign.Hash{of("p_x_sum", `{}`, "0.5")}, "x_sum gauge"},
		{"both", []foreign.Hash{of("p_x_sum", `{}`, "0.5"), of("p_x_count", `{}`, "1")}, "x summary"},
		{"bucket without bounds", []foreign.Hash{of("p_x_bucket", `{"a": "b"}`, "0.5")}, "x_bucket gauge"},
		{"bucket", []foreign.Hash{of("p_x_bucket", `{"le": "+Inf"}`, "2"), of("p_x_count", `{}`, "2"), of("p_x_sum", `{}`, "2")}, "x histogram"},
		{"later count", []foreign.Hash{of("p_x", `_count:{}`, "1", `_sum:{}`, "2")}, "x summary"},
		{"later gauge of such a name", []foreign.Hash{of("p_x_count", `:{}`, "-1")}, "x_count gauge"},
		{"name that is a suffix", []foreign.Hash{of("p__total", `{}`, "1")}, "_total gauge"},
	} {
		text, counts := decoded(t, "p", c.hashes...)
		name, typ, _ := strings.Cut(c.want, " ")
		if types := fixture.Parse(t, text).Types; types[name] != typ || len(types) != 1 || len(counts) > 0 {
			t.Errorf("%s: %v, counted %v", c.name, types, counts)
		}
	}
}
