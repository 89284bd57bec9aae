//go:build unix

package stock_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
)

// Property: to look at the head of a file that somebody cuts and writes again
// meanwhile is no worse than to find it short. (The first key is longer than what
// is read at once, so the file is read twice.)
func TestLookBesideCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter_1.db")
	f := fixture.Create(t, path, 4096)
	f.Add(`["x", "x", {"a": "`+strings.Repeat("a", 2000)+`"}]`, 1, 0)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path, "counter_1.db")
	done := make(chan struct{})
	var cutter sync.WaitGroup
	cutter.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, n := range []int64{4, 10, 600} {
				_ = f.Truncate(n)
				f.Write(0, whole)
			}
		}
	})
	defer cutter.Wait()
	defer close(done)
	for range 30_000 {
		if _, err := r.Look(); err != nil {
			t.Fatal(err)
		}
	}
}
