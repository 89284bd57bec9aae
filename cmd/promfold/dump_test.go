//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// dump writes the bounds of buckets as the files have them.
func TestDumpSpelling(t *testing.T) {
	a := aggregate.NewArchive()
	a.Schema.Families = []mmapstore.Family{{
		Name: "h", Type: mmapstore.Histogram, Bounds: []float64{0.5, 1}, Spelled: []string{"0.5", "1.0"},
	}}
	a.Schema.Series = []mmapstore.Series{{}}
	a.Words = []uint64{0, 0, 2, 3, 4} // a sum in two floats, then the buckets
	a.Schema.Words = len(a.Words)
	a.History = aggregate.History{Families: []int64{1}, Series: []aggregate.Past{{Newest: 1}}}
	path := filepath.Join(t.TempDir(), "archive.pfa")
	if err := os.WriteFile(path, a.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	const want = `h_bucket{le="0.5"} 2
h_bucket{le="1.0"} 5
h_bucket{le="+Inf"} 9
`
	if r := run(t, "dump", path); r.code != 0 || !strings.Contains(r.stdout, want) {
		t.Errorf("no\n%s\nin %+v", want, r)
	}
}
