//go:build unix

package stock

import (
	"math"
	"testing"
)

// Property: zero is looked at again wherever it was not there before, at first sight
// as well; of what may not fall, anything less; and nothing else.
func TestWhatMayPass(t *testing.T) {
	bits := math.Float64bits
	for _, row := range []struct {
		rule    settle
		last, v uint64
		want    bool
	}{
		{notZero, unseen, 0, true},
		{notLess, unseen, 0, true},
		{asRead, unseen, 0, false},
		{notLess, unseen, bits(-1), false},
		{notZero, bits(5), 0, true},
		{notLess, bits(5), 0, true},
		{notLess, bits(5), bits(3), true},
		{notZero, bits(5), bits(3), false},
		{asRead, bits(5), bits(3), false},
		{notLess, bits(5), bits(5), false},
		{notLess, bits(5), bits(7), false},
		{notZero, 0, 0, false},
		{notLess, 0, 0, false},
		{notLess, bits(5), bits(math.NaN()), false},
	} {
		if got := mayPass(row.rule, row.last, row.v); got != row.want {
			t.Errorf("%v: %x after %x may pass: %v", row.rule, row.v, row.last, got)
		}
	}
}
