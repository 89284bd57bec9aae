//go:build linux

package main

import "time"

// latencies counts durations by the nanosecond.
type latencies struct {
	counts []uint32
	total  int
}

// longest is more than the percentiles of anything but a machine that stands: what
// is above it counts as it.
const longest = 1 << 20 // nanoseconds

func newLatencies() *latencies { return &latencies{counts: make([]uint32, longest+1)} }

func (l *latencies) add(d time.Duration) {
	l.counts[min(d, longest)]++
	l.total++
}

// percentile is the shortest duration that so many percent do not exceed.
func (l *latencies) percentile(percent float64) time.Duration {
	below := 0
	for d, count := range l.counts {
		if below += int(count); float64(below)*100 >= float64(l.total)*percent {
			return time.Duration(d)
		}
	}
	return longest
}
