//go:build unix

package stock

import "math"

// strides are the words that lie from one series to the next in the vector. Without
// one, an operation is for a single entry.
var strides = [...]int32{setCounter: 2, setGauge: 2, setGaugeOnce: 2, setTimed: 3, setTimedOnce: 3, addCount: 1, difference: 0}

// run fills the words of the vector that are the operation's, which are zero
// before the first one. Of what is behind the vector it fills nothing.
func (o op) run(dst, raw []uint64, p *plan) {
	dst = dst[o.word:]
	if o.what == difference {
		differ(dst[:o.n])
		return
	}
	if step := int(strides[o.what]); step > 0 {
		o.n = min(o.n, int32(len(dst)/step))
	}
	cells := raw[o.cell : o.cell+o.n*p.each]
	switch {
	case o.what == setCounter && p.each == 1:
		for i, v := range cells {
			dst[2*i+1] = v
		}
	case o.what == addCount && p.each == 1:
		dst = dst[:len(cells)]
		for i, v := range cells {
			dst[i] = addSaturated(dst[i], countOf(math.Float64frombits(v)))
		}
	default:
		for ; len(cells) > 0; cells = cells[p.each:] {
			o.runOne(dst, cells, p.time)
			dst = dst[strides[o.what]:]
		}
	}
}

// runOne fills the words of one entry, whose cells come first. Time is that of Traits.
func (o op) runOne(dst, cells []uint64, time func(float64) int64) {
	switch o.what {
	case setCounter:
		dst[1] = cells[0]
	case setGauge:
		dst[0], dst[1] = 1, cells[0]
	case setGaugeOnce:
		dst[0], dst[1] = wasSet(cells[1]), cells[0]
	case setTimed:
		dst[0], dst[1] = 1, cells[0]
		dst[2] = uint64(time(math.Float64frombits(cells[1])))
	case setTimedOnce:
		dst[0], dst[1] = wasSet(cells[1]), cells[0]
		dst[2] = uint64(time(math.Float64frombits(cells[1])))
	case addSum:
		sum := math.Float64frombits(dst[0]) + math.Float64frombits(cells[0])
		dst[0] = math.Float64bits(sum)
	case addCount:
		dst[0] = addSaturated(dst[0], countOf(math.Float64frombits(cells[0])))
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
	case v >= 0 && v < 1<<63:
		return uint64(int64(v)) // one instruction
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
