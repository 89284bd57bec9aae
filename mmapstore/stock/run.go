//go:build unix

package stock

import "math"

// run fills the words of the vector that are the operation's, which are zero
// before the first one. Time is that of Traits.
func (o op) run(dst, raw []uint64, time func(float64) int64) {
	switch o.what {
	case setCounter:
		dst[o.word+1] = raw[o.cell]
	case setGauge:
		dst[o.word], dst[o.word+1] = 1, raw[o.cell]
	case setGaugeOnce:
		dst[o.word], dst[o.word+1] = wasSet(raw[o.cell+1]), raw[o.cell]
	case setTimed:
		dst[o.word], dst[o.word+1] = 1, raw[o.cell]
		dst[o.word+2] = uint64(time(math.Float64frombits(raw[o.cell+1])))
	case setTimedOnce:
		dst[o.word], dst[o.word+1] = wasSet(raw[o.cell+1]), raw[o.cell]
		dst[o.word+2] = uint64(time(math.Float64frombits(raw[o.cell+1])))
	case addSum:
		sum := math.Float64frombits(dst[o.word]) + math.Float64frombits(raw[o.cell])
		dst[o.word] = math.Float64bits(sum)
	case addCount:
		dst[o.word] = addSaturated(dst[o.word], countOf(math.Float64frombits(raw[o.cell])))
	case difference:
		differ(dst[o.word : o.word+o.cell])
	}
}

// wasSet tells by the time of the last set whether there was one.
func wasSet(time uint64) uint64 {
	if math.Float64frombits(time) == 0 {
		return 0
	}
	return 1
}

// countOf is a count that a client keeps as a float.
func countOf(v float64) uint64 {
	switch {
	case !(v > 0): // NaN, too
		return 0
	case v >= 1<<64:
		return math.MaxUint64
	}
	return uint64(v)
}

func addSaturated(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// differ makes of cumulative buckets those that are not. The cells were not read
// in one moment, so one may be behind those below it.
func differ(buckets []uint64) {
	below := uint64(0)
	for i, v := range buckets {
		v = max(v, below)
		buckets[i], below = v-below, v
	}
}
