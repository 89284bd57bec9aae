package pydb

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/fixture/naive"
)

// step is an entry and what it adds to what is shown, by fixture.Series; of a
// bucket, by its own count.
type step struct {
	key    string
	series string
	value  float64
}

// object is a key of client_python, with help if there is one.
func object(metric, sample, labels, help string) string {
	if help != "" {
		help = fmt.Sprintf(", %q", help)
	}
	return fmt.Sprintf(`["%s", "%s", {%s}%s]`, metric, sample, labels, help)
}

// compact is a key of GitLab's client.
func compact(metric, sample, names, values string) string {
	return fmt.Sprintf(`["%s","%s",[%s],[%s]]`, metric, sample, names, values)
}

// counters are entries of a counter file.
func counters(n int) (steps []step) {
	for i := range n {
		labels := map[string]string{"i": fmt.Sprint(i), "with": "a \"quote\"\n"}
		steps = append(steps, step{
			key:    object("x", fmt.Sprintf("x%d_total", i%3), fmt.Sprintf(`"i": "%d", "with": "a \"quote\"\n"`, i), "Help."),
			series: fixture.Series(fmt.Sprintf("x%d_total", i%3), labels), value: float64(i),
		})
	}
	return steps
}

var testBounds = []string{"0.5", "1.0", "2.5", "+Inf"}

// histograms are entries of a histogram file, in the order of client_python.
func histograms(n int) (steps []step) {
	for i := range n {
		path := map[string]string{"path": fmt.Sprint(i)}
		label := fmt.Sprintf(`"path": "%d"`, i)
		steps = append(steps, step{object("h", "h_sum", label, ""), fixture.Series("h_sum", path), float64(i) / 2})
		for j, le := range testBounds {
			bound := []float64{0.5, 1, 2.5, math.Inf(1)}[j]
			steps = append(steps, step{
				key:    object("h", "h_bucket", fmt.Sprintf(`"le": "%s", `, le)+label, ""),
				series: fixture.Series("h_bucket", naive.WithBound(path, bound)), value: float64(i + j),
			})
		}
	}
	return steps
}

// cumulated are entries of a histogram of GitLab's client, whose buckets are.
func cumulated(n int) (steps []step) {
	for i := range n {
		path := map[string]string{"path": fmt.Sprint(i)}
		add := func(sample, names, values, series string, value float64) {
			steps = append(steps, step{compact("h", sample, names, values), series, value})
		}
		add("h_sum", `"path"`, fmt.Sprintf(`"%d"`, i), fixture.Series("h_sum", path), 1.5)
		add("h_count", `"path"`, fmt.Sprintf(`"%d"`, i), "", 4)
		for j, le := range testBounds {
			bound := []float64{0.5, 1, 2.5, math.Inf(1)}[j]
			values := fmt.Sprintf(`"%s","%d"`, le, i)
			add("h_bucket", `"le","path"`, values, fixture.Series("h_bucket", naive.WithBound(path, bound)), float64(j*j))
		}
	}
	return steps
}

// shown is what the steps so far amount to.
func shown(steps []step, cumulative bool) map[string]float64 {
	want := make(map[string]float64)
	below := 0.0
	for i, s := range steps {
		switch {
		case s.series == "":
			below = 0
			continue
		case cumulative && i%(len(testBounds)+2) >= 2: // a bucket
			want[s.series] += s.value - below
			below = s.value
		default:
			want[s.series] += s.value
		}
	}
	return want
}

// flat is what a reader shows, without what is not there yet: empty buckets.
func flat(samples []naive.Sample) map[string]float64 {
	got := make(map[string]float64)
	for _, s := range samples {
		key := fixture.Series(s.Name, s.Labels)
		if s.Bucket {
			key = fixture.Series(s.Name, naive.WithBound(s.Labels, s.Le))
		}
		got[key] += s.Value
	}
	return got
}

func dropZeros(m map[string]float64) map[string]float64 {
	for k, v := range m {
		if v == 0 {
			delete(m, k)
		}
	}
	return m
}

// Property: after each entry that a client writes, a reader that was there from
// the start shows what all entries so far say, and so does one that comes anew;
// no byte is parsed twice.
func TestReadWhileWritten(t *testing.T) {
	for name, row := range map[string]struct {
		base       string
		steps      []step
		timestamp  bool
		cumulative bool
	}{
		"counter":        {"counter_1.db", counters(60), true, false},
		"old counter":    {"counter_1.db", counters(60), false, false},
		"histogram":      {"histogram_1.db", histograms(12), true, false},
		"old histogram":  {"histogram_1.db", histograms(12), false, false},
		"cumulative one": {"histogram_1-0.db", cumulated(12), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), row.base)
			f := fixture.Create(t, path, 256) // grows many times
			r := open(t, path, row.base)
			if err := r.Refresh(); err != nil || !r.Empty() {
				t.Fatalf("a file just born: %v, empty: %v", err, r.Empty())
			}
			for i, s := range row.steps {
				values := []float64{s.value, 0}
				if !row.timestamp {
					values = values[:1]
				}
				f.Add(s.key, values...)
				if err := r.Refresh(); err != nil || r.Empty() {
					t.Fatalf("entry %d: %v", i, err)
				}
				want := dropZeros(shown(row.steps[:i+1], row.cumulative))
				if got := dropZeros(flat(contents(t, r))); !reflect.DeepEqual(got, want) {
					t.Fatalf("entry %d: %v, want %v", i, got, want)
				}
				anew := open(t, path, row.base)
				if err := anew.Refresh(); err != nil {
					t.Fatal(err)
				}
				if got := dropZeros(flat(contents(t, anew))); !reflect.DeepEqual(got, want) {
					t.Fatalf("entry %d, read anew: %v, want %v", i, got, want)
				}
				if r.ParsedBytes() != f.Used-8 {
					t.Fatalf("entry %d: %d bytes parsed of %d", i, r.ParsedBytes(), f.Used-8)
				}
			}
		})
	}
}

// Property: a histogram that is seen while its buckets are being made is marked
// as one that may have more; when it is whole it is of the same family as others
// with its bounds.
func TestHistogramInTheMaking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "histogram_1.db")
	f := fixture.Create(t, path, 4096)
	r := open(t, path, "histogram_1.db")
	steps := histograms(3)
	version := r.Schema().Version
	for i, s := range steps {
		f.Add(s.key, s.value, 0)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		schema := r.Schema()
		last := schema.Families[schema.Series[len(schema.Series)-1].Family]
		whole := i%(len(testBounds)+1) == len(testBounds)
		if last.Partial == whole {
			t.Errorf("entry %d: partial is %v", i, last.Partial)
		}
		if anew := schema.Version != version; anew != (i%(len(testBounds)+1) != 0) {
			t.Errorf("entry %d: laid out anew: %v", i, anew)
		}
		version = schema.Version
		if whole && len(schema.Families) != 1 {
			t.Errorf("entry %d: %d families", i, len(schema.Families))
		}
	}
	if got := r.Schema().Families[0]; !reflect.DeepEqual(got.Bounds, []float64{0.5, 1, 2.5}) ||
		!reflect.DeepEqual(got.Spelled, []string{"0.5", "1.0", "2.5"}) {
		t.Errorf("bounds %v, spelled %v", got.Bounds, got.Spelled)
	}
}
