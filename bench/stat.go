//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

func median[T cmp.Ordered](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// medianOf is the median of several goes.
func medianOf(times int, once func() (time.Duration, error)) (time.Duration, error) {
	var all []time.Duration
	for range times {
		took, err := once()
		if err != nil {
			return 0, err
		}
		all = append(all, took)
	}
	return median(all), nil
}

// pairs is the times of two sides, measured in turn.
type pairs struct {
	ours, theirs []time.Duration
	each         int // how many operations one time is of, if it is of many
}

func (p *pairs) add(ours, theirs time.Duration) {
	p.ours, p.theirs = append(p.ours, ours), append(p.theirs, theirs)
}

// faster is how many times longer they take than we do.
func (p *pairs) faster() outcome { return p.outcome(p.theirs, p.ours) }

// longer is how many times longer we take than they do.
func (p *pairs) longer() outcome { return p.outcome(p.ours, p.theirs) }

func (p *pairs) outcome(over, under []time.Duration) outcome {
	var ratios []float64
	for i := range over {
		ratios = append(ratios, float64(over[i])/float64(under[i]))
	}
	return outcome{
		value: median(ratios), low: slices.Min(ratios), high: slices.Max(ratios), unit: "x",
		ours: p.text(median(p.ours)), theirs: p.text(median(p.theirs)),
	}
}

func (p *pairs) text(d time.Duration) string {
	if p.each > 0 {
		return fmt.Sprintf("%.3g ns", float64(d)/float64(p.each))
	}
	return short(d)
}

// spread is the extremes in seconds.
func spread(all []time.Duration) (low, high float64) {
	return slices.Min(all).Seconds(), slices.Max(all).Seconds()
}

// short is a time with three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g us", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
}

// megabytes is for people.
func megabytes(bytes int64) string { return fmt.Sprintf("%.3g MB", float64(bytes)/1e6) }
