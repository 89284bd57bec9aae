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

// race runs the loops in turn, n times in each slice, and returns what pick makes of
// the slices of each. The fastest is the one in which no other process had the
// processor. Not so where two goroutines contend: they are fastest when they do not,
// because one of them had to wait.
func race(n int, pick func([]time.Duration) time.Duration, loops ...loop) []time.Duration {
	times := make([][]time.Duration, len(loops))
	for range sliceCount {
		for i, run := range loops {
			times[i] = append(times[i], took(run, n))
		}
	}
	picked := make([]time.Duration, len(loops))
	for i := range times {
		picked[i] = pick(times[i])
	}
	return picked
}

// calibrate is how often a loop runs in a slice.
func (l *lab) calibrate(run loop) int {
	about := of(l, sliceTime, quickSlice)
	for n := 1000; ; n *= 2 {
		if d := took(run, n); d > about/2 {
			return int(float64(n) * float64(about) / float64(d))
		}
	}
}

func fastest(all []time.Duration) time.Duration { return slices.Min(all) }

func took(run loop, n int) time.Duration {
	began := time.Now()
	run(n)
	return time.Since(began)
}
