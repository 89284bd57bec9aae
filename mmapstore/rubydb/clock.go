//go:build unix

package rubydb

import (
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// clock leads from CLOCK_MONOTONIC, by which the client notes when it set a
// value, to the time of day: it is what to add, in nanoseconds. All files of the
// machine are by one monotonic clock, so one clock must do for all of them: which
// of two sets was the later does not depend on it.
type clock int64

// wallClock is found out once.
var wallClock = sync.OnceValue(func() clock {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return clock(time.Now().UnixNano() - ts.Nano())
})

// nanoseconds makes Unix nanoseconds of monotonic seconds. 0 stays 0: never set.
func (c clock) nanoseconds(seconds float64) int64 {
	switch {
	case !(seconds > 0): // NaN, too
		return 0
	case seconds >= float64(math.MaxInt64-int64(max(c, 0)))/1e9:
		return math.MaxInt64
	}
	whole, fraction := math.Modf(seconds)
	return int64(whole)*1e9 + int64(math.Round(fraction*1e9)) + int64(c)
}
