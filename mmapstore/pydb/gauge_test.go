package pydb

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Property: whether a gauge was ever set, when, and what becomes of its label pid
// depend on client and mode as in the clients' own collectors.
func TestGauges(t *testing.T) {
	const (
		helped  = `["g", "g", {"a": "1", "pid": "9"}, "Help."]`
		plain   = `["g", "g", {"a": "1", "pid": "9"}]`
		compact = `["g","g",["a","pid"],["1","9"]]`
	)
	without, with := map[string]string{"a": "1"}, map[string]string{"a": "1", "pid": "9"}
	for _, row := range []struct {
		base, key string
		values    []float64
		labels    map[string]string
		mode      mmapstore.Mode
		set       bool
		time      int64
	}{
		{"gauge_all_1.db", helped, []float64{5, 0}, without, mmapstore.All, true, 0},
		{"gauge_max_1.db", helped, []float64{5, 0}, without, mmapstore.Max, true, 0},
		{"gauge_max_1.db", plain, []float64{5}, without, mmapstore.Max, true, 0},
		{"gauge_mostrecent_1.db", helped, []float64{5, 0}, without, mmapstore.Latest, false, 0},
		{"gauge_mostrecent_1.db", helped, []float64{5, 7}, without, mmapstore.Latest, true, 7e9},
		{"gauge_livemostrecent_1.db", helped, []float64{5, 0}, without, mmapstore.LiveLatest, false, 0},
		{"gauge_livemostrecent_1.db", helped, []float64{5, math.NaN()}, without, mmapstore.LiveLatest, true, 0},
		{"gauge_mostrecent_1.db", helped, []float64{5}, without, mmapstore.Latest, true, 0},
		{"gauge_latest_1.db", plain, []float64{5, 0}, without, mmapstore.Latest, true, 0},
		{"gauge_latest_1.db", plain, []float64{5, math.Inf(1)}, without, mmapstore.Latest, true, math.MaxInt64},
		{"gauge_latest_1.db", plain, []float64{5, 7.5}, without, mmapstore.Latest, true, 75e8},
		{"gauge_latest.db", plain, []float64{5, 7.5}, without, mmapstore.Latest, true, 75e8},
		{"gauge_all_1-0.db", compact, []float64{5}, with, mmapstore.All, true, 0},
		{"gauge_min_1-0.db", compact, []float64{5}, with, mmapstore.Min, true, 0},
	} {
		path := filepath.Join(t.TempDir(), row.base)
		fixture.Create(t, path, 4096).Add(row.key, row.values...)
		r := open(t, path, row.base)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		got := contents(t, r)
		if len(got) != 1 || got[0].Family.Mode != row.mode || got[0].Family.Type != mmapstore.Gauge ||
			!reflect.DeepEqual(got[0].Labels, row.labels) || got[0].Value != 5 || got[0].Set != row.set || got[0].Time != row.time {
			t.Errorf("%s %s %v: %+v", row.base, row.key, row.values, got)
		}
	}
}

// Property: entries that come to one series, because the label pid was all that
// told them apart, or because the client wrote one twice, each count.
func TestDuplicatesCount(t *testing.T) {
	for base, keys := range map[string][]string{
		"gauge_sum_1.db": {`["x", "x", {"pid": "1"}]`, `["x", "x", {"pid": "2"}]`},
		"counter_1.db":   {`["x", "x", {}]`, `["x", "x", {}]`},
		"summary_1.db":   {`["x", "x_sum", {}]`, `["x", "x_sum", {}]`},
		"histogram_1.db": {`["x", "x_sum", {}]`, `["x", "x_sum", {}]`},
	} {
		path := filepath.Join(t.TempDir(), base)
		f := fixture.Create(t, path, 4096)
		for _, key := range keys {
			f.Add(key, 2, 0)
		}
		r := open(t, path, base)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, s := range contents(t, r) {
			sum += s.Value
		}
		if sum != 4 {
			t.Errorf("%s: 2 and 2 are %v", base, sum)
		}
	}
}

// Property: bounds are matched by number; spellings of one bound add up, and the
// family keeps the source's where it differs from the text format's.
func TestBounds(t *testing.T) {
	for name, row := range map[string]struct {
		texts   []string
		bounds  []float64
		spelled []string
		counts  []float64 // one for each text is counted
		partial bool
	}{
		"python's":       {[]string{"0.5", "1.0", "1e+16", "+Inf"}, []float64{0.5, 1, 1e16}, []string{"0.5", "1.0", "1e+16"}, []float64{1, 1, 1, 1}, false},
		"text format's":  {[]string{"0.5", "1", "+Inf"}, []float64{0.5, 1}, nil, []float64{1, 1, 1}, false},
		"two spellings":  {[]string{"1.0", "1", "1.00", "+Inf"}, []float64{1}, []string{"1.0"}, []float64{3, 1}, false},
		"unsorted":       {[]string{"+Inf", "2", "-1", "1"}, []float64{-1, 1, 2}, nil, []float64{1, 1, 1, 1}, false},
		"words":          {[]string{"inf", "Infinity", "-Inf"}, []float64{math.Inf(-1)}, nil, []float64{1, 2}, false},
		"in the making":  {[]string{"1", "2"}, []float64{1, 2}, nil, []float64{1, 1, 0}, true},
		"infinity alone": {[]string{"+Inf"}, nil, nil, []float64{1}, false},
	} {
		path := filepath.Join(t.TempDir(), "histogram_1.db")
		f := fixture.Create(t, path, 4096)
		for _, le := range row.texts {
			f.Add(`["h", "h_bucket", {"le": "`+le+`"}, "Help."]`, 1, 0)
		}
		r := open(t, path, "histogram_1.db")
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		s := r.Schema()
		if len(s.Families) != 1 {
			t.Errorf("%s: %d families", name, len(s.Families))
			continue
		}
		family := s.Families[0]
		var counts []float64
		for _, one := range contents(t, r) {
			if one.Bucket {
				counts = append(counts, one.Value)
			}
		}
		if !reflect.DeepEqual(family.Bounds, row.bounds) || !reflect.DeepEqual(family.Spelled, row.spelled) ||
			!reflect.DeepEqual(counts, row.counts) || family.Partial != row.partial {
			t.Errorf("%s: %+v with %v", name, family, counts)
		}
	}
}

// Property: of many spellings in any order, a bound has the first one.
func TestFirstSpellingCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "histogram_1.db")
	f := fixture.Create(t, path, 4096)
	for _, format := range []string{"%d", "%d.0", "%d.00"} {
		for i := range 40 {
			f.Add(fmt.Sprintf(`["h", "h_bucket", {"le": "`+format+`"}]`, i*17%41), 1, 0)
		}
	}
	r := open(t, path, "histogram_1.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	for _, family := range r.Schema().Families {
		if len(family.Bounds) != 40 || family.Spelled != nil {
			t.Errorf("%d bounds, spelled %q", len(family.Bounds), family.Spelled)
		}
	}
	for _, one := range contents(t, r) {
		if want := 3.0; one.Bucket && one.Value != want && !math.IsInf(one.Le, 1) {
			t.Errorf("bucket %v counts %v", one.Le, one.Value)
		}
	}
}

// Property: label sets of one histogram with the same bounds share a family, those
// with others have their own.
func TestFamiliesByBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "histogram_1.db")
	f := fixture.Create(t, path, 4096)
	for i, bounds := range [][]string{{"1.0", "2.0", "+Inf"}, {"1.0", "+Inf"}, {"1.0", "2.0", "+Inf"}, {"1", "2", "+Inf"}, {"1.0", "2.0"}} {
		for _, le := range bounds {
			f.Add(`["h", "h_bucket", {"i": "`+string(rune('a'+i))+`", "le": "`+le+`"}]`, 1)
		}
	}
	r := open(t, path, "histogram_1.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	var families []int
	for _, one := range r.Schema().Series {
		families = append(families, one.Family)
	}
	if want := []int{0, 1, 0, 2, 3}; !reflect.DeepEqual(families, want) {
		t.Errorf("families %v, want %v", families, want)
	}
}

// Property: buckets that are cumulative in the file are not in the vector, even if
// one of them is behind those below it.
func TestCumulativeBucketsAreTakenApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "histogram_1-0.db")
	f := fixture.Create(t, path, 4096)
	for le, v := range map[string]float64{"+Inf": 9, "0.5": 2, "1": 5, "2": 4, "1.0e+01": 7} {
		f.Add(`["h","h_bucket",["le"],["`+le+`"]]`, v)
	}
	r := open(t, path, "histogram_1-0.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	got := make(map[float64]float64)
	for _, one := range contents(t, r) {
		if one.Bucket {
			got[one.Le] = one.Value
		}
	}
	want := map[float64]float64{0.5: 2, 1: 3, 2: 0, 10: 2, math.Inf(1): 2}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("buckets %v, want %v", got, want)
	}
}

// Property: of a label set that is twice in a file, a gauge that is shown for each
// process has the last entry's value, as in client_python; in other modes each
// entry counts. It makes no difference how much was read before.
func TestLastEntryOfAProcess(t *testing.T) {
	for base, want := range map[string][]float64{
		"gauge_all_1.db":     {2, 7},
		"gauge_liveall_1.db": {2, 7},
		"gauge_max_1.db":     {5, 2, 7, 3},
		"gauge_sum_1.db":     {5, 2, 7, 3},
	} {
		path := filepath.Join(t.TempDir(), base)
		f := fixture.Create(t, path, 4096)
		early := open(t, path, base)
		for i, key := range []string{
			`["g", "g", {"a": "1"}, "Old."]`, `["g", "g", {"a": "1"}, "New."]`,
			`["g", "g", {"a": "2"}, "Old."]`, `["h", "h", {"a": "2"}, "Old."]`,
		} {
			f.Add(key, []float64{5, 2, 7, 3}[i], 0)
			if err := early.Refresh(); err != nil {
				t.Fatal(err)
			}
		}
		late := open(t, path, base)
		if err := late.Refresh(); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*stock.Reader{early, late} {
			var got []float64
			for _, s := range contents(t, r) {
				if s.Name == "g" || len(want) == 4 {
					got = append(got, s.Value)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, want %v", base, got, want)
			}
		}
	}
}

// Property: a help is what the key says, as far as it is text and within the
// limit, and costs no entry; only where the key has none it is the clients' own.
func TestHelp(t *testing.T) {
	long := strings.Repeat("h", mmapstore.MaxHelp-1)
	for element, want := range map[string]string{
		``:                       "Multiprocess metric",
		`, "Help."`:              "Help.",
		`, ""`:                   "",
		`, null`:                 "",
		`, 1.50`:                 "1.50",
		`, true`:                 "true",
		`, ["Help."]`:            "",
		`, "` + long + `h"`:      long + "h",
		`, "` + long + `hh"`:     long + "h",
		`, "` + long + `\u00e9"`: long,
		`, "` + long + `é."`:     long,
	} {
		path := filepath.Join(t.TempDir(), "counter_1.db")
		f := fixture.Create(t, path, 4096)
		f.Add(`["x", "x", {}`+element+`]`, 5, 0)
		f.Add(`["y", "y", {}, "Help."]`, 5, 0)
		r := open(t, path, "counter_1.db")
		if err := r.Refresh(); err != nil {
			t.Errorf("%.20s: %v", element, err)
			continue
		}
		if s := r.Schema(); len(s.Families) != 2 || s.Families[0].Help != want {
			t.Errorf("%.20s: %d families, help %.20q", element, len(s.Families), s.Families[0].Help)
		}
	}
}
