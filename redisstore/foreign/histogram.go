package foreign

import (
	"cmp"
	"math"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// settle puts the buckets of a series in order of their bounds, adds up those that
// have one bound, and makes each hold no less than those below it. An observation
// raises its buckets one after the other, the lower ones first, and a bound that
// came later begins at zero: what is below says what was observed already. As each
// stored number only grows, so does what comes of it.
//
// The bucket for +Inf is left out; its count, and the series', is the largest there is.
func (at *series) settle(r *Round) {
	slices.SortStableFunc(at.buckets, func(a, b bucket) int { return cmp.Compare(a.bound.At, b.bound.At) })
	kept := at.buckets[:0]
	for _, b := range at.buckets {
		if n := len(kept); n > 0 && kept[n-1].bound.At == b.bound.At {
			kept[n-1].count = addCapped(kept[n-1].count, b.count)
			r.Defect(at.where, Duplicate)
			continue
		}
		kept = append(kept, b)
	}
	var highest uint64
	torn := false
	for i := range kept {
		torn = torn || kept[i].count < highest
		highest = max(highest, kept[i].count)
		kept[i].count = highest
	}
	whole := at.has[Sum] && at.has[Count]
	if n := len(kept); n > 0 && math.IsInf(kept[n-1].bound.At, 1) {
		kept = kept[:n-1]
	} else {
		whole = false
	}
	if torn = torn || whole && at.count != highest; torn {
		r.Defect(at.where, Torn)
	}
	if !whole {
		r.Defect(at.where, Incomplete)
	}
	at.buckets, at.count = kept, max(at.count, highest)
}

// histogramWords appends the values of a settled histogram.
func (at *series) histogramWords(words []uint64) []uint64 {
	words = append(words, math.Float64bits(at.sum))
	var below uint64
	for _, b := range at.buckets {
		words = append(words, b.count-below)
		below = b.count
	}
	return append(words, at.count-below)
}

// boundsOf is the bounds of a settled histogram, and how the store spells them.
func (at *series) boundsOf() (f mmapstore.Family) {
	for _, b := range at.buckets {
		f.Bounds, f.Spelled = append(f.Bounds, b.bound.At), append(f.Spelled, b.bound.Text)
	}
	return f
}

// sameBounds reports whether the series has the bounds of the family.
func (at *series) sameBounds(f *mmapstore.Family) bool {
	return slices.EqualFunc(at.buckets, f.Bounds, func(b bucket, bound float64) bool { return b.bound.At == bound })
}
