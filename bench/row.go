//go:build linux

package main

import (
	"fmt"
	"math"
	"regexp"
)

// row is one line of the table: a path and what it shall reach.
type row struct {
	path string
	goal string // in words; empty: there is none
	// atLeast and atMost bound the value; 0 is no bound.
	atLeast, atMost float64

	outcome *outcome // nil until it was measured
}

// outcome is what was measured.
type outcome struct {
	value, low, high float64 // the median, and the spread
	unit             string
	ours, theirs     string // the medians of both sides
}

// figure is a value that stands for itself.
func figure(value float64, unit string) outcome {
	return outcome{value: value, low: value, high: value, unit: unit}
}

// group is rows that are measured together.
type group struct {
	rows []*row
	// run measures and fills the outcomes.
	run func(l *lab) error
	// profile runs our side alone, over and over, for a row: see profiled. It may
	// be nil.
	profile func(l *lab) error
}

// matches reports whether one of the rows is wanted.
func (g *group) matches(only *regexp.Regexp) bool {
	for _, r := range g.rows {
		if only.MatchString(r.path) {
			return true
		}
	}
	return false
}

func (r *row) reached() string {
	switch {
	case r.outcome == nil:
		return "not measured"
	case r.atLeast == 0 && r.atMost == 0:
		return ""
	case r.atLeast != 0 && r.outcome.value < r.atLeast, r.atMost != 0 && r.outcome.value > r.atMost:
		return "no"
	default:
		return "yes"
	}
}

// set notes an outcome.
func (r *row) set(o outcome) { r.outcome = &o }

// number prints with as many digits as mean something.
func number(v float64, unit string) string {
	digits := 2
	switch a := math.Abs(v); {
	case a >= 100:
		digits = 0
	case a >= 10:
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, v, unit)
}
