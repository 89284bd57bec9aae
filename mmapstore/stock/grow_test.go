//go:build unix

package stock_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
)

// Property: a file of any size, with entries across every border of what is read
// at once, is read as one of few.
func TestLargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter_1.db")
	f := fixture.Create(t, path, 4096)
	const n = 300
	for i := range n {
		f.Add(fmt.Sprintf(`["x", "x", {"i": "%d", "long": "%s"}]`, i, strings.Repeat("l", i*37%9000)), float64(i), 0)
	}
	if f.Used < 1<<20 {
		t.Fatalf("the file has %d bytes", f.Used)
	}
	r := open(t, path, "counter_1.db")
	if err := r.Refresh(); err != nil || r.ParsedBytes() != f.Used-8 {
		t.Fatalf("%d bytes parsed of %d, %v", r.ParsedBytes(), f.Used, err)
	}
	if s := r.Schema(); len(s.Series) != n || s.Version != 0 {
		t.Errorf("%d series, version %d", len(s.Series), s.Version)
	}
}

// Property: whoever has the schema of an earlier refresh can go on loading for it,
// and gets of each series what is loaded for the present one.
func TestLoadForEarlierSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter_1.db")
	f := fixture.Create(t, path, 64)
	r := open(t, path, "counter_1.db")
	var lengths []int
	for i := range 50 {
		f.Add(fmt.Sprintf(`["x", "x", {"i": "%d"}]`, i), float64(i+1), 0)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		lengths = append(lengths, r.Schema().Words)
	}
	now := make([]uint64, r.Schema().Words)
	if err := r.Load(now); err != nil {
		t.Fatal(err)
	}
	for _, n := range lengths {
		words := slices.Repeat([]uint64{77}, n)
		if err := r.Load(words); err != nil || !slices.Equal(words, now[:n]) {
			t.Errorf("%d words: %v, %v", n, words, err)
		}
	}
}
