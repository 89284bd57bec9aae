//go:build unix

package stock_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a key that is over the limit costs its own entry alone, wherever it
// stands, and says nothing about the layout of the file.
func TestLongKeys(t *testing.T) {
	for _, size := range []int{65 << 10, 300 << 10, 700 << 10} { // of one read, of more than one
		for _, times := range [][]float64{nil, {0}, {math.Inf(1)}, {1.7e9}} {
			for at := range 4 {
				for _, base := range []string{"counter_1.db", "metric_x___1.bin"} {
					checkLongKey(t, base, size, at, times)
				}
			}
		}
	}
}

// checkLongKey has the long key before the at-th of three others.
func checkLongKey(t *testing.T, base string, size, at int, times []float64) {
	t.Helper()
	f := fixture.Create(t, filepath.Join(t.TempDir(), base), 4096)
	put := func(name string, v float64) {
		if base == "counter_1.db" {
			f.Add(fmt.Sprintf(`["x", "x", {"i": "%s"}]`, name), append([]float64{v}, times...)...)
		} else {
			f.AddWithin("i="+name, append([]float64{v}, times...)...)
		}
	}
	long := int64(0)
	for i := range 4 {
		if i == at {
			long = f.Used
			put(strings.Repeat("l", size), 99)
		}
		if i < 3 {
			put(fmt.Sprint(i), float64(i+1))
		}
	}
	r := open(t, f.Name(), base)
	err := r.Refresh()
	var corrupt *mmapstore.CorruptError
	if !errors.As(err, &corrupt) || !errors.Is(err, mmapstore.ErrLimit) || corrupt.Offset != long {
		t.Errorf("%s with %v: %v, want offset %d", base, times, err, long)
	}
	got := series(t, r)
	for i := range 3 {
		key := fmt.Sprintf(`x{i="%d"}`, i)
		if v := math.Float64frombits(got[key]); len(got) != 3 || v != float64(i+1) {
			t.Errorf("%s with %v, long key %d: %s is %v of %d series", base, times, at, key, v, len(got))
		}
	}
}

// Property: an entry that is left out takes nothing from those beside it, also
// when they are looked at again.
func TestValuesBesideWhatIsLeftOut(t *testing.T) {
	f := fixture.Create(t, filepath.Join(t.TempDir(), "counter_1.db"), 4096)
	var offsets []int64
	for i := range 10 {
		f.Add(`["x", "x", {"": "1"}]`, 99, 0)
		offsets = append(offsets, f.Add(fmt.Sprintf(`["x", "x", {"i": "%d"}]`, i), float64(i+1), 0))
	}
	r := open(t, f.Name(), "counter_1.db")
	for round := range 3 {
		if err := r.Refresh(); !errors.Is(err, mmapstore.ErrMalformed) {
			t.Fatal(err)
		}
		got := series(t, r)
		for i := range 10 {
			if v := math.Float64frombits(got[fmt.Sprintf(`x{i="%d"}`, i)]); len(got) != 10 || v != float64(i+1) {
				t.Errorf("round %d: %d is %v of %d series", round, i, v, len(got))
			}
		}
		f.Store(offsets[round], 0) // less than before: looked at again, and kept
	}
}
