package aggregate

import "math"

// shown is what a series last exposed. It is the last guard of the promise that
// nothing exposed goes down: sums are exact, but what a damaged or vanished
// source costs must not look like a counter reset, after which Prometheus would
// count everything again.
type shown struct {
	any     bool
	at      int64 // time of the merge that last exposed the series, Unix nanoseconds
	created int64 // of the series, as it told then
	early   int64 // a creation that was yet to come when the series was exposed: it is no true one
	value   float64
	count   uint64
	buckets []uint64 // cumulative
	// lost: the count fell, so the sum may have fallen for the same reason.
	lost bool
}

// begin prepares for the merge at now of a series that exists since created. If
// that is after the last time we exposed it, everything which was exposed then
// has left, and it may start again from zero. A clock that steps makes neither a
// series new nor a new one old.
func (g *shown) begin(created, now int64) {
	if g.at != 0 && created > g.at && created > g.created {
		*g = shown{}
	}
	g.at, g.created = now, created
	if created > now {
		g.early = created
	}
}

// rounding is how much of a sum may be the last bits of an addition.
const rounding = 1e-12

// holdValue returns the value to expose for a counter.
func (g *shown) holdValue(v float64) float64 {
	if g.any && v < g.value {
		return g.value
	}
	g.value, g.any = v, true
	return v
}

// holdSum returns the value to expose for a sum of observations. These may be
// negative, so only what can be rounding is held, unless the count, which was held
// before, says that a source was lost: then the sum is held until it is reached
// again.
func (g *shown) holdSum(v float64) float64 {
	if g.any && v < g.value && (g.lost || g.value-v <= rounding*math.Abs(g.value)) {
		return g.value
	}
	g.value, g.any, g.lost = v, true, false
	return v
}

func (g *shown) holdCount(n uint64) uint64 {
	g.lost = g.lost || n < g.count
	g.count = max(g.count, n)
	return g.count
}

// holdBuckets raises cumulative counts to what was exposed before.
func (g *shown) holdBuckets(cumulative []uint64) {
	if len(g.buckets) != len(cumulative) {
		g.buckets = make([]uint64, len(cumulative))
	}
	for i, n := range cumulative {
		g.lost = g.lost || n < g.buckets[i]
		g.buckets[i] = max(g.buckets[i], n)
		cumulative[i] = g.buckets[i]
	}
}
