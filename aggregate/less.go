package aggregate

import (
	"math"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// Less is a record without what a base holds already: counts and sums that others
// count. What is in base alone, and what of a it does not have, stays away or stays as
// it is. Other gauges than sums are as in the record, to be merged with those of the base.
//
// A series that shows less than the base has, or that was created later, began anew since: it
// stays as it is, and rest is the base without it, for the next time. But whole
// is false if some source of the record could not be read: then the series may be all there again
// tomorrow, and comes to nothing until it is more than the base.
//
// Neither is changed. The results share Schema and History with a, and what they can with base.
func Less(a, base *Archive, whole bool) (less, rest *Archive) {
	less, anew := subtracted(a, base)
	if len(anew) == 0 {
		return less, base
	}
	if !whole {
		for i := range anew {
			words, _ := less.wordsOf(i)
			clear(words)
		}
		return less, base
	}
	began := make(map[int]bool, len(anew))
	for _, j := range anew {
		began[j] = true
	}
	return less, base.without(began)
}

// Common is what of held a record still has, with the record's schema; all is false if it
// has not all of it: then series have begun anew since, and what those show is common
// as well, since nobody can tell when they did.
func Common(a, held *Archive) (common *Archive, all bool) {
	less, anew := subtracted(a, held)
	here := make(map[heldKey]bool, len(a.Schema.Series))
	for i := range a.Schema.Series {
		here[a.heldKey(i)] = true
	}
	all = len(anew) == 0
	for j := range held.Schema.Series {
		f := &held.Schema.Families[held.Schema.Series[j].Family]
		all = all && (here[held.heldKey(j)] || !f.Type.Cumulative())
	}
	if less == a {
		less = &Archive{Schema: a.Schema, History: a.History, Words: slices.Clone(a.Words)}
	}
	for i := range anew {
		words, _ := less.wordsOf(i)
		clear(words)
	}
	common, _ = subtracted(a, less)
	return common, all
}

// subtracted is a less base; anew are the series that began anew, and which of base they are.
func subtracted(a, base *Archive) (less *Archive, anew map[int]int) {
	if len(base.Schema.Series) == 0 {
		return a, nil
	}
	held := make(map[heldKey]int, len(base.Schema.Series))
	for i := range base.Schema.Series {
		held[base.heldKey(i)] = i
	}
	less = &Archive{ID: a.ID, Generation: a.Generation, Schema: a.Schema, History: a.History, Words: slices.Clone(a.Words)}
	for i := range a.Schema.Series {
		j, ok := held[a.heldKey(i)]
		if !ok {
			continue
		}
		born, was := a.Schema.Series[i].Created, base.Schema.Series[j].Created
		cumulative := a.Schema.Families[a.Schema.Series[i].Family].Type.Cumulative()
		if cumulative && was != 0 && born > was || !less.subtract(i, base, j) {
			if anew == nil {
				anew = make(map[int]int)
			}
			anew[i] = j
		}
	}
	return less, anew
}

// without is the archive without some of its series.
func (a *Archive) without(series map[int]bool) *Archive {
	rest := &Archive{ID: a.ID, Generation: a.Generation, Schema: a.Schema, History: a.History, Words: a.Words}
	rest.Schema.Series, rest.History.Series = nil, nil
	for i, s := range a.Schema.Series {
		if !series[i] {
			rest.Schema.Series = append(rest.Schema.Series, s)
			rest.History.Series = append(rest.History.Series, a.History.Series[i])
		}
	}
	return rest
}

// heldKey tells the series of an archive apart, over archives.
type heldKey struct {
	name   string
	typ    mmapstore.Type
	mode   mmapstore.Mode
	labels mmapstore.Labels
}

func (a *Archive) heldKey(i int) heldKey {
	s := &a.Schema.Series[i]
	f := &a.Schema.Families[s.Family]
	return heldKey{f.Name, f.Type, f.Mode, s.Labels}
}

// wordsOf are the words of the i-th series, and its family.
func (a *Archive) wordsOf(i int) ([]uint64, *mmapstore.Family) {
	s := &a.Schema.Series[i]
	f := &a.Schema.Families[s.Family]
	return a.Words[s.Word:][:f.WordCount(archiveSumWords)], f
}

// subtract takes the j-th series of base off the i-th, and reports false, having changed
// nothing, if that is less.
func (a *Archive) subtract(i int, base *Archive, j int) bool {
	words, f := a.wordsOf(i)
	from, of := base.wordsOf(j)
	switch {
	case f.Type == mmapstore.Counter || f.Type == mmapstore.Untyped:
		return subtractCounter(words, from, f.Type == mmapstore.Untyped)
	case f.Type == mmapstore.Summary:
		if words[2] < from[2] {
			return false
		}
		words[2] -= from[2]
		subtractFloats(words, from)
	case f.Type == mmapstore.Histogram:
		if !subtractBuckets(words[archiveSumWords:], f.Bounds, from[archiveSumWords:], of.Bounds) {
			return false
		}
		subtractFloats(words, from)
	case f.Mode == mmapstore.Sum && from[0] != 0 && words[0] != 0:
		if was := math.Float64frombits(from[1]); finite(was) {
			words[1] = math.Float64bits(math.Float64frombits(words[1]) - was)
		}
	}
	return true
}

// subtractCounter takes one counter off another, unless that has begun anew. What of a
// counter is in its whole part and what beside it differs from record to record: floats
// that happen to be whole numbers are in the former. So only the two together tell. What
// may fall has not begun anew when it is less.
func subtractCounter(words, from []uint64, falls bool) bool {
	s := difference(words[1:], from[1:])
	if s.special != 0 {
		return true // it is beyond all floats, with or without
	}
	whole := words[0] - from[0]
	if words[0] < from[0] {
		var lent sum
		lent.addInt(from[0] - words[0])
		s.add(-lent.hi)
		s.add(-lent.lo)
		whole = 0
	}
	was, left := sumOf(from[1:]), s
	was.addInt(from[0])
	left.addInt(whole)
	if !falls && left.value() < -rounding*was.value() {
		return false
	}
	words[0] = whole
	s.write(words[1:])
	return true
}

// subtractFloats takes one unrounded sum off another.
func subtractFloats(words, from []uint64) {
	s := difference(words, from)
	s.write(words)
}

func difference(words, from []uint64) sum {
	s := sumOf(words)
	for _, w := range from[:archiveSumWords] {
		if was := math.Float64frombits(w); finite(was) { // what is not stays: nothing can be added to it
			s.add(-was)
		}
	}
	return s
}

// sumOf is an unrounded sum as it lies in an archive.
func sumOf(words []uint64) (s sum) {
	for _, w := range words[:archiveSumWords] {
		s.add(math.Float64frombits(w))
	}
	return s
}

// write is the reverse of sumOf.
func (s *sum) write(words []uint64) {
	hi, lo := s.parts()
	words[0], words[1] = math.Float64bits(hi), math.Float64bits(lo)
}

// subtractBuckets takes buckets off others, and reports whether they were there.
func subtractBuckets(words []uint64, bounds []float64, from []uint64, of []float64) bool {
	off := make([]uint64, len(words))
	for i, n := range from {
		to := len(bounds)
		if i < len(of) {
			to, _ = slices.BinarySearch(bounds, of[i])
		}
		off[to] += n
	}
	for i, n := range off {
		if words[i] < n {
			return false
		}
	}
	for i, n := range off {
		words[i] -= n
	}
	return true
}
