package foreign

import (
	"math"

	"github.com/promfold/promfold/mmapstore"
)

// fell reports whether the i-th series counts less than the j-th of the source of the
// read before, which is the same series.
func (s *source) fell(i int, last *source, j int) bool {
	f := &s.schema.Families[s.schema.Series[i].Family]
	now, was := s.values(i), last.values(j)
	switch f.Type {
	case mmapstore.Counter:
		return math.Float64frombits(now[1]) < math.Float64frombits(was[1])
	case mmapstore.Summary:
		return now[1] < was[1]
	case mmapstore.Histogram:
		// With other bounds there is only the total to compare.
		if len(now) != len(was) {
			return total(now[1:]) < total(was[1:])
		}
		return anyLess(now[1:], was[1:])
	default:
		return false
	}
}

// values are the words of the i-th series.
func (s *source) values(i int) []uint64 {
	series := &s.schema.Series[i]
	return s.words[series.Word:][:s.schema.Families[series.Family].WordCount(1)]
}

func total(counts []uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// anyLess reports whether one of the buckets, taken cumulatively, holds less than that
// of before.
func anyLess(now, was []uint64) bool {
	var a, b uint64
	for i := range now {
		a, b = a+now[i], b+was[i]
		if a < b {
			return true
		}
	}
	return false
}
