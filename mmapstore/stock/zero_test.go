//go:build unix

package stock_test

import (
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
)

// Property: beside a client that stores zero before each value, no counter and no
// bucket that is loaded is ever less than it was. (client_python up to 0.3.1 does.)
func TestZeroBeforeEachValue(t *testing.T) {
	for base, keys := range map[string][]string{
		"counter_1.db":   {`["x", "x", ["i"], ["1"]]`, `["x", "x", ["i"], ["2"]]`},
		"histogram_1.db": {`["h", "h_bucket", ["le"], ["1.0"]]`, `["h", "h_bucket", ["le"], ["+Inf"]]`, `["h", "h_sum", [], []]`},
		"summary_1.db":   {`["s", "s_count", [], []]`},
	} {
		t.Run(base, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), base)
			f := fixture.Create(t, path, 4096)
			var offsets []int64
			for _, key := range keys {
				offsets = append(offsets, f.Add(key, 1))
			}
			r := open(t, path, base)
			if err := r.Refresh(); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			var writer sync.WaitGroup
			defer writer.Wait()
			defer close(stop)
			writer.Go(func() {
				for v := 2.0; ; v++ {
					for _, off := range offsets {
						f.Store(off, 0)
						f.Store(off, v)
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
			checkRising(t, func(dst []uint64) error { return r.Load(dst) }, r.Schema().Words, base == "counter_1.db")
		})
	}
}

// checkRising loads many times. Words are floats if all are, else whichever can be
// a count.
func checkRising(t *testing.T, load func([]uint64) error, words int, floats bool) {
	last, now := make([]uint64, words), make([]uint64, words)
	rises := 0
	for i := 0; i < 20_000 || rises < 100; i++ { // until the writer had its turns
		if err := load(now); err != nil {
			t.Fatal(err)
		}
		for i := range now {
			switch {
			case floats && math.Float64frombits(now[i]) < math.Float64frombits(last[i]),
				!floats && i > 0 && now[i] < last[i]:
				t.Fatalf("word %d fell from %x to %x", i, last[i], now[i])
			case now[i] > last[i]:
				rises++
			}
		}
		copy(last, now)
	}
}

// Property: a counter that is less than before, or zero, keeps the last value; a
// sum may fall, and so may a gauge; whatever falls may rise again.
func TestWhatMayFall(t *testing.T) {
	for _, row := range []struct {
		base, key string
		word      int
		want      []float64 // for the values 5, 3, 0, 7
	}{
		{"counter_1.db", `["x", "x", [], []]`, 1, []float64{5, 5, 5, 7}},
		{"gauge_sum_1.db", `["x", "x", {}]`, 1, []float64{5, 3, 0, 7}},
		{"summary_1.db", `["x", "x_sum", {}]`, 0, []float64{5, 3, 0, 7}},
	} {
		path := filepath.Join(t.TempDir(), row.base)
		f := fixture.Create(t, path, 4096)
		off := f.Add(row.key, 0)
		r := open(t, path, row.base)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		for i, v := range []float64{5, 3, 0, 7} {
			f.Store(off, v)
			words := make([]uint64, r.Schema().Words)
			if err := r.Load(words); err != nil {
				t.Fatal(err)
			}
			if got := math.Float64frombits(words[row.word]); got != row.want[i] {
				t.Errorf("%s: %v is read as %v, want %v", row.base, v, got, row.want[i])
			}
		}
	}
}

// Property: counts that are no counts become the nearest that are.
func TestCountsOfFloats(t *testing.T) {
	for v, want := range map[float64]uint64{
		0: 0, 1: 1, 2.9: 2, -1: 0, -0.5: 0, 1 << 53: 1 << 53, math.Inf(1): math.MaxUint64, math.Inf(-1): 0,
		1e300: math.MaxUint64, 1 << 63: 1 << 63,
	} {
		checkCount(t, v, want)
	}
	checkCount(t, math.NaN(), 0)
}

func checkCount(t *testing.T, v float64, want uint64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "summary_1.db")
	fixture.Create(t, path, 4096).Add(`["s", "s_count", {}]`, v)
	r := open(t, path, "summary_1.db")
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	words := make([]uint64, 2)
	if err := r.Load(words); err != nil || words[1] != want {
		t.Errorf("%v counts as %d, want %d (%v)", v, words[1], want, err)
	}
}

// Property: loading and refreshing without news allocate nothing.
func TestWarmReadAllocatesNothing(t *testing.T) {
	for _, base := range []string{"histogram_1.db", "counter_worker_1-0.db"} {
		path := filepath.Join(t.TempDir(), base)
		f := fixture.Create(t, path, 4096)
		for i := range 100 {
			if base == "histogram_1.db" {
				f.Add(fmt.Sprintf(`["h", "h_bucket", {"le": "%d.0"}]`, i), 1)
			} else {
				f.Add(fmt.Sprintf(`["x","x",["i"],["%d"]]`, i), 1)
			}
		}
		r := open(t, path, base)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		words := make([]uint64, r.Schema().Words)
		read := func() {
			if err := r.Load(words); err != nil {
				t.Fatal(err)
			}
		}
		read()
		if n := testing.AllocsPerRun(100, read); n > 0 {
			t.Errorf("%s: %v allocations to load", base, n)
		}
		if n := testing.AllocsPerRun(100, func() { _ = r.Refresh() }); n > 0 {
			t.Errorf("%s: %v allocations to refresh", base, n)
		}
	}
}

// Property: readers of several goroutines, one of which refreshes, agree.
func TestSharedByGoroutines(t *testing.T) {
	t.Run("histogram_1.db", func(t *testing.T) {
		shareByGoroutines(t, "histogram_1.db", `["h", "h_bucket", {"i": "%d", "le": "%s"}]`, 1)
	})
	t.Run("counter_1.db", func(t *testing.T) {
		shareByGoroutines(t, "counter_1.db", `["h", "h", {"i": "%d", "bound": "%s"}]`, 3)
	})
}

func shareByGoroutines(t *testing.T, base, key string, each int) {
	path := filepath.Join(t.TempDir(), base)
	f := fixture.Create(t, path, 256)
	r := open(t, path, base)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				if err := r.Refresh(); err != nil {
					t.Error(err)
				}
				s := r.Schema()
				words := make([]uint64, s.Words)
				err := r.Load(words)
				for _, one := range s.Series {
					if f := &s.Families[one.Family]; err == nil && one.Word+f.WordCount(1) > len(words) {
						t.Errorf("series at %d of %d words", one.Word, len(words))
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 200 {
		for _, le := range []string{"0.5", "1.0", "+Inf"} {
			f.Add(fmt.Sprintf(key, i, le), 1, 0)
		}
	}
	close(stop)
	readers.Wait()
	if err := r.Refresh(); err != nil || len(r.Schema().Families) != 1 || len(r.Schema().Series) != 200*each {
		t.Errorf("%v, %d families, %d series", err, len(r.Schema().Families), len(r.Schema().Series))
	}
}
