package pydb

import "math"

// nanoseconds makes Unix nanoseconds of the Unix seconds that a gauge was set at.
// postmates' "no time" is infinity, and newer than all others to it.
func nanoseconds(seconds float64) int64 {
	switch {
	case !(seconds > 0): // NaN, too
		return 0
	case seconds >= math.MaxInt64/1e9:
		return math.MaxInt64
	}
	whole, fraction := math.Modf(seconds)
	return int64(whole)*1e9 + int64(math.Round(fraction*1e9))
}
