package aggregate_test

import (
	"fmt"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: when series leave, and those that stay may have the buckets of all then, they
// are shown with their own values, as if they were merged for the first time.
func TestBoundsThatMayBeUnitedLater(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	stays, leaves := process(1), process(2)
	var bounds []float64
	var counts []uint64
	for i := range 400 {
		bounds, counts = append(bounds, float64(i)), append(counts, 1)
	}
	stays.observed("a=wide", bounds, 1, append(counts, 0)...)
	stays.schema.Families = append(stays.schema.Families, mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: bounds[:1], Partial: true})
	stays.schema.Series = append(stays.schema.Series, mmapstore.Series{Family: 1, Labels: labelSet("a=x"), Created: second(1), Word: len(stays.words)})
	stays.words = append(stays.words, float(1), 5, 0)
	stays.schema.Words = len(stays.words)
	for i := range 2000 {
		leaves.observed(fmt.Sprintf("a=%d", i), bounds[:1], 1, 1, 0)
	}
	mergeBy(t, m, stays, leaves)
	mergeBy(t, m, stays)
	for range 3 {
		r := mergeBy(t, m, stays)
		if f := r.Families[0]; f.Words() != len(f.Values) {
			t.Fatalf("a family of %d words has %d values", f.Words(), len(f.Values))
		}
		if got, want := samples(t, r.Metrics()), samples(t, mergeAll(t, stays).Metrics()); got != want {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
	}
}
