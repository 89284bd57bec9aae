package aggregate

import "math"

// sum is a sum of floats that is rounded once, when it is read. It carries what
// the additions rounded away (about 106 bits in all), so that the same
// contributions, in another order or folded beforehand, give the same result: a
// total that is one bit lower than at the last scrape would be a counter reset
// to Prometheus.
type sum struct {
	hi, lo float64
	// special collects infinities and NaN, which would spoil hi and lo, and
	// becomes infinite when the sum is too large for a float.
	special float64
}

func (s *sum) add(x float64) {
	if x-x != 0 { // NaN or infinite
		s.special += x
		return
	}
	hi, err := twoSum(s.hi, x)
	if hi, err = twoSum(hi, s.lo+err); hi-hi != 0 {
		s.special += math.Copysign(math.Inf(1), s.hi) // over the top for good
		return
	}
	s.hi, s.lo = hi, err
}

// addSum adds another sum, unrounded.
func (s *sum) addSum(o *sum) {
	s.add(o.hi)
	s.add(o.lo)
	s.special += o.special
}

// addInt adds n without rounding it to a float first.
func (s *sum) addInt(n uint64) {
	const low = 1<<32 - 1
	s.add(float64(n &^ low))
	s.add(float64(n & low))
}

func (s *sum) value() float64 {
	if s.special != 0 {
		return s.special
	}
	return s.hi + s.lo
}

// parts are two floats whose sum is the whole of s.
func (s *sum) parts() (hi, lo float64) {
	if s.special != 0 {
		return s.special, 0
	}
	return s.hi, s.lo
}

// finiteParts is parts for a counter, which is never infinite but by overflow:
// then they are the largest there are.
func (s *sum) finiteParts() (hi, lo float64) {
	if math.IsInf(s.special, +1) {
		return math.MaxFloat64, math.MaxFloat64
	}
	return s.parts()
}

// twoSum is a+b and the exact error of that addition (Knuth).
func twoSum(a, b float64) (s, err float64) {
	s = a + b
	bb := s - a
	return s, (a - (s - bb)) + (b - bb)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
