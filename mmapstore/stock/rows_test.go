//go:build unix

package stock_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
)

// Property: a gauge of a process that is written a second time, under another help,
// shows what was written last, and those around it what is theirs.
func TestGaugeWrittenAgain(t *testing.T) {
	for _, again := range []int{0, 1, 3} {
		f := fixture.Create(t, filepath.Join(t.TempDir(), "gauge_all_1.db"), 4096)
		for i := range 4 {
			f.Add(fmt.Sprintf(`["x", "x", {"i": "%d"}, "Help."]`, i), float64(i), 0)
		}
		f.Add(fmt.Sprintf(`["x", "x", {"i": "%d"}, "Other."]`, again), 77, 0)
		f.Add(`["x", "x", {"i": "9"}, "Help."]`, 9, 0)
		r := open(t, f.Name(), "gauge_all_1.db")
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		words := make([]uint64, r.Schema().Words)
		if err := r.Load(words); err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{0, 1, 2, 3, 9} {
			if i == again {
				want = 77
			}
			if got := math.Float64frombits(words[2*i+1]); words[2*i] != 1 || got != want {
				t.Errorf("%d again: series %d is %v, set: %d", again, i, got, words[2*i])
			}
		}
	}
}
