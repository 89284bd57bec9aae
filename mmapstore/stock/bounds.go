package stock

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// boundary is the upper bound of a bucket, and the mark that spells it.
type boundary struct {
	bound float64
	mark  int32
}

// boundaries are the finite bounds of a set, ascending, each once, as its first
// item spells it. whole: there is a bucket for what is above them. The result is
// in dst's memory.
func (x *index) boundaries(dst []boundary, s int32) (_ []boundary, whole bool) {
	dst = dst[:0]
	x.each(s, func(it *item) {
		if it.part != Bucket {
			return
		}
		switch bound := x.marks[it.mark].bound; {
		case math.IsInf(bound, +1):
			whole = true
		case !math.IsNaN(bound):
			dst = append(dst, boundary{bound, it.mark})
		}
	})
	return tidy(dst), whole
}

// tidy sorts bounds; of those of one number it keeps the first.
func tidy(b []boundary) []boundary {
	byBound := func(a, b boundary) int { return cmp.Compare(a.bound, b.bound) }
	if !slices.IsSortedFunc(b, byBound) {
		slices.SortStableFunc(b, byBound)
	}
	return slices.CompactFunc(b, func(a, b boundary) bool { return a.bound == b.bound })
}

// bucketOf is the index of the bucket with the bound.
func bucketOf(bounds []boundary, bound float64) int {
	if math.IsInf(bound, +1) {
		return len(bounds)
	}
	i, _ := slices.BinarySearchFunc(bounds, bound, func(b boundary, bound float64) int {
		return cmp.Compare(b.bound, bound)
	})
	return i
}

// spell gives the numbers of the bounds, and their texts unless the text format
// would write all of them the same way.
func (x *index) spell(bounds []boundary) (numbers []float64, texts []string) {
	differs := false
	for _, b := range bounds {
		text := x.marks[b.mark].text
		numbers, texts = append(numbers, b.bound), append(texts, text)
		differs = differs || text != strconv.FormatFloat(b.bound, 'g', -1, 64)
	}
	if !differs {
		texts = nil
	}
	return numbers, texts
}
