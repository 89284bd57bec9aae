package aggregate

import (
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// totals are the accumulators of a merge, those of all series one after the other, so
// that what a source holds in a row is added in a row.
type totals struct {
	counts []uint64 // counters: whole parts; histograms: buckets, not cumulative; summaries: counts
	sums   []sum    // counters: the rest; histograms, summaries: sums; gauges that are added up
	gauges []gauge
}

// place is where the accumulators of a series begin.
type place struct{ count, sum, gauge int32 }

// place makes room for a series that has none, a histogram of the bounds that it has.
func (t *totals) place(s *series) {
	if s.placed {
		return
	}
	s.place, s.placed = place{int32(len(t.counts)), int32(len(t.sums)), int32(len(t.gauges))}, true
	switch v := s.family; {
	case v.typ == mmapstore.Histogram:
		t.counts = append(t.counts, make([]uint64, len(s.bounds)+1)...)
		t.sums = append(t.sums, sum{})
	case v.typ.Cumulative():
		t.counts = append(t.counts, 0)
		t.sums = append(t.sums, sum{})
	default:
		t.gauges = append(t.gauges, gauge{})
		if summed(v.mode) {
			t.sums = append(t.sums, sum{})
		}
	}
}

// like gives t the size of another, all zero.
func (t *totals) like(o *totals) {
	t.counts = zeroed(t.counts, len(o.counts))
	t.sums = zeroed(t.sums, len(o.sums))
	t.gauges = zeroed(t.gauges, len(o.gauges))
}

func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

// addSeries adds what another part of the same merge came to in a series.
func (t *totals) addSeries(s *series, o *totals) {
	p, v := s.place, s.family
	switch v.typ {
	case mmapstore.Counter, mmapstore.Untyped:
		t.addCount(p, o.counts[p.count])
		t.sums[p.sum].addSum(&o.sums[p.sum])
	case mmapstore.Histogram:
		addBuckets(t.buckets(s), o.buckets(s))
		t.sums[p.sum].addSum(&o.sums[p.sum])
	case mmapstore.Summary:
		t.counts[p.count] = addCapped(t.counts[p.count], o.counts[p.count])
		t.sums[p.sum].addSum(&o.sums[p.sum])
	default:
		g, other := &t.gauges[p.gauge], o.gauges[p.gauge]
		if summed(v.mode) {
			g.present, g.set = g.present || other.present, g.set || other.set
			t.sums[p.sum].addSum(&o.sums[p.sum])
		} else if other.present {
			g.fold(v.mode, other)
		}
	}
}

// buckets are those of a histogram, not cumulative, that for +Inf last.
func (t *totals) buckets(s *series) []uint64 {
	return t.counts[s.place.count:][:len(s.bounds)+1]
}

// addCount adds to the whole part of a counter. What overflows is carried into
// the float part, which holds 2^64 exactly.
func (t *totals) addCount(p place, n uint64) {
	c := &t.counts[p.count]
	if *c += n; *c < n {
		t.sums[p.sum].add(1 << 64)
	}
}

// counter is the counter's value, rounded once.
func (t *totals) counter(p place) float64 {
	total := t.sums[p.sum]
	total.addInt(t.counts[p.count])
	return total.value()
}
