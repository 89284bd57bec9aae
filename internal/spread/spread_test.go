package spread_test

import (
	"testing"

	"github.com/promfold/promfold/internal/spread"
)

// Property: who asked for the work gets the panic, which on another goroutine would end
// the process.
func TestEachPanics(t *testing.T) {
	defer func() {
		if r := recover(); r != "no more" {
			t.Errorf("recovered %v", r)
		}
	}()
	spread.Each(100, func(i int) {
		if i == 50 {
			panic("no more")
		}
	})
	t.Error("nothing was wrong")
}

// Property: each index is done once, and all are when Each returns.
func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		done := make([]int, n)
		spread.Each(n, func(i int) { done[i]++ })
		for i, times := range done {
			if times != 1 {
				t.Errorf("%d of %d was done %d times", i, n, times)
			}
		}
	}
}
