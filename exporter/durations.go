//go:build unix

package exporter

import (
	"math"
	"slices"
	"sync"
)

// durations counts how long something took, as a histogram whose values are written
// like those of merged families: see exposition.Family. Goroutines may share it.
type durations struct {
	mu     sync.Mutex
	counts []uint64 // by bucket, not cumulative, that above all bounds last
	sum    float64
}

// durationBounds are in seconds.
var durationBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newDurations() *durations { return &durations{counts: make([]uint64, len(durationBounds)+1)} }

func (d *durations) observe(seconds float64) {
	bucket, _ := slices.BinarySearch(durationBounds, seconds)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[bucket]++
	d.sum += seconds
}

func (d *durations) appendWords(words []uint64) []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := uint64(0)
	for _, n := range d.counts {
		total += n
		words = append(words, total)
	}
	return append(words, math.Float64bits(d.sum))
}
