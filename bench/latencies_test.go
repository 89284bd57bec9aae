//go:build linux

package main

import (
	"testing"
	"time"
)

// Property: a percentile is the shortest duration that so many percent do not
// exceed, whatever came first, and none is longer than the longest.
func TestPercentile(t *testing.T) {
	l := newLatencies()
	l.add(time.Hour)
	for d := time.Duration(999); d > 0; d-- {
		l.add(d)
	}
	for percent, want := range map[float64]time.Duration{50: 500, 99: 990, 99.9: 999, 100: longest} {
		if got := l.percentile(percent); got != want {
			t.Errorf("%v %%: %v, want %v", percent, got, want)
		}
	}
}
