//go:build linux

package main

import (
	"slices"
	"time"
)

const (
	// sliceTime is how long one side runs at a time. Short, so that both sides have
	// the same neighbours on a shared machine.
	sliceTime  = 10 * time.Millisecond
	sliceCount = 5  // of each side in a pair
	racePairs  = 15 // of a row
	quickSlice = sliceTime / 10
)

func (l *lab) slice() time.Duration { return of(l, sliceTime, quickSlice) }

// turn does something n times, in each of its goroutines, and says how long that
// took and whether it counts.
type turn func(n int) (took time.Duration, counts bool)

func alone(run loop) turn {
	return func(n int) (time.Duration, bool) {
		began := time.Now()
		run(n)
		return time.Since(began), true
	}
}

// race takes the turns one after the other, n times in each slice, and returns what
// pick makes of those slices of each that count. It fails where one has none. The
// fastest is the one in which no other process had the processor; goroutines that
// contend are fastest while they do not, which is why theirs is the median.
func race(n int, pick func([]time.Duration) time.Duration, turns ...turn) (picked []time.Duration, ok bool) {
	times := make([][]time.Duration, len(turns))
	for range sliceCount {
		for i, take := range turns {
			if took, counts := take(n); counts {
				times[i] = append(times[i], took)
			}
		}
	}
	for _, one := range times {
		if len(one) == 0 {
			return nil, false
		}
		picked = append(picked, pick(one))
	}
	return picked, true
}

// calibrate is how often a turn does its work in a slice.
func calibrate(take turn, slice time.Duration) int {
	for n := 1000; ; n *= 2 {
		if took, _ := take(n); took > slice/2 {
			return int(float64(n) * float64(slice) / float64(took))
		}
	}
}

func fastest(all []time.Duration) time.Duration { return slices.Min(all) }
