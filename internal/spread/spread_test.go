package spread_test

import (
	"testing"

	"github.com/promfold/promfold/internal/spread"
)

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
