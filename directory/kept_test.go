//go:build unix

package directory_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// merged is what a merge shows, family by family.
func merged(t *testing.T, m *aggregate.Merger, v *directory.View) string {
	t.Helper()
	r, _ := m.Merge(v.Sources()) // the error is that of the file that is gone
	text := ""
	for _, f := range r.Metrics() {
		text += f.String() + "\n"
	}
	return text
}

// Property: what a stock client's file last said goes on counting when somebody empties
// the file, whatever the last look at it had found by then that no merge has read.
func TestEmptiedAfterALook(t *testing.T) {
	key := func(i int) string { return fmt.Sprintf(`["x", "x_total", {"i": "%d"}, "Help."]`, i) }
	for name, change := range map[string]func(f *fixture.File, d *directory.Directory){
		"nothing":  func(*fixture.File, *directory.Directory) {},
		"an entry": func(f *fixture.File, _ *directory.Directory) { f.Add(key(3), 1000, 0) },
		"an override": func(_ *fixture.File, d *directory.Directory) {
			d.SetOverrides(mmapstore.Overrides{"x_total": {Help: "Other."}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := dbPath(dir, "counter", 1)
			f := fixture.Create(t, path, 1<<16)
			for i := range 3 {
				f.Add(key(i), 1000, 0)
			}
			d := follow(t, dir, directory.Options{})
			m := aggregate.NewMerger(nil)
			want := merged(t, m, scan(t, d))
			change(f, d)
			scan(t, d) // for a merge that nobody waited for
			must(t, os.Truncate(path, 0))
			for range 3 {
				if got := merged(t, m, scan(t, d)); got != want {
					t.Fatalf("emptied:\n%s\nwant\n%s", got, want)
				}
			}
		})
	}
}

// Property: the same, if the series were laid out anew since the last merge, and the
// file goes before they are read; and a gauge that was never read is not shown.
func TestEmptiedBeforeItIsRead(t *testing.T) {
	for name, write := range map[string]func(f *stocktest.File) error{
		"histogram": func(f *stocktest.File) error { return f.Set(stocktest.Key("h", "h_bucket", "H.", "le=2.0"), 1, 0) },
		"gauge_min": func(f *stocktest.File) error { return f.Set(stocktest.Key("n", "n", "A gauge."), 9, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := stocktest.Open(dbPath(dir, name, 1))
			must(t, err)
			if name == "histogram" {
				must(t, f.Set(stocktest.Key("h", "h_sum", "H."), 3, 0))
				must(t, f.Set(stocktest.Key("h", "h_bucket", "H.", "le=1.0"), 1, 0))
				must(t, f.Set(stocktest.Key("h", "h_bucket", "H.", "le=+Inf"), 2, 0))
			} else {
				must(t, f.Set(stocktest.Key("g", "g", "A gauge."), 5, 0))
			}
			d := follow(t, dir, directory.Options{})
			m := aggregate.NewMerger(nil)
			want := merged(t, m, scan(t, d))
			must(t, write(f))
			v := scan(t, d)
			must(t, os.Truncate(dbPath(dir, name, 1), 0))
			for range 3 {
				if got := merged(t, m, v); got != want {
					t.Fatalf("emptied:\n%s\nwant\n%s", got, want)
				}
				v = scan(t, d)
			}
		})
	}
}
