package directory_test

import (
	"os"
	"slices"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a file that somebody empties in place goes on with what it had, as
// damaged; what a process of the same pid then writes into it is shown under its
// own names, at the latest by the second scan, and is no damage.
func TestFileEmptiedAndTakenUp(t *testing.T) {
	for name, seen := range map[string]bool{"seen while empty": true, "unseen": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := dbPath(dir, "gauge_max", 1)
			write := func(names []string, v float64) {
				f, err := stocktest.Open(path)
				must(t, err)
				for i, name := range names {
					must(t, f.Set(stocktest.Key(name, name, "A gauge."), v+float64(i), 0))
				}
				t.Cleanup(func() { f.Close() })
			}
			d := follow(t, dir, directory.Options{})
			m := aggregate.NewMerger(nil)
			write([]string{"aaa", "bbb"}, 1)
			wantGauges(t, d, m, map[string]float64{"aaa": 1, "bbb": 2})
			must(t, os.Truncate(path, 0))
			if seen {
				v := wantGauges(t, d, m, map[string]float64{"aaa": 1, "bbb": 2})
				if len(v.Problems) != 1 || mmapstore.Reason(v.Problems[0].Err) != "truncated" {
					t.Errorf("problems %v", v.Problems)
				}
			}
			write([]string{"xxx", "yyy", "zzz"}, 100)
			want := map[string]float64{"xxx": 100, "yyy": 101, "zzz": 102}
			if !seen {
				wantGauges(t, d, m, map[string]float64{"aaa": 1, "bbb": 2})
			}
			for range 2 {
				if v := wantGauges(t, d, m, want); len(v.Problems) > 0 || len(v.Files) != 1 {
					t.Errorf("problems %v, %d files", v.Problems, len(v.Files))
				}
			}
		})
	}
}

// wantGauges scans the directory, merges, and expects these gauges and no others.
func wantGauges(t *testing.T, d *directory.Directory, m *aggregate.Merger, want map[string]float64) *directory.View {
	t.Helper()
	v := scan(t, d)
	r, _ := m.Merge(v.Sources()) // that a file cannot be read is among the problems
	var names []string
	for _, f := range r.Metrics() {
		names = append(names, f.GetName())
		if value := f.Metric[0].Gauge.GetValue(); value != want[f.GetName()] {
			t.Errorf("%s is %v, want %v", f.GetName(), value, want[f.GetName()])
		}
	}
	if len(names) != len(want) || !slices.IsSorted(names) {
		t.Errorf("gauges %q", names)
	}
	return v
}
