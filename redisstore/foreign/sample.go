package foreign

import (
	"math"

	"github.com/promfold/promfold/mmapstore"
)

// Part says which number of a series a sample is.
type Part uint8

// The parts. Counters and gauges have a Value alone.
const (
	Value Part = iota
	Sum
	Count
	Bucket // cumulative
)

// Sample is one number as a store has it.
type Sample struct {
	Family string
	Type   mmapstore.Type // Counter, Gauge, Histogram or Summary
	Part   Part
	Labels mmapstore.Labels // without le
	Bound  Bound            // of a Bucket
	Value  float64
	// Prefer decides which of two values of a gauge is shown: that of the higher, or
	// the smaller value. What is counted twice is added up, so there it says nothing.
	Prefer int
	// Where it was found, for messages.
	Where Where
}

// Where is a place in a store.
type Where struct{ Key, Field string }

// Bound is the upper bound of a bucket.
type Bound struct {
	At   float64
	Text string // as the store spells it
}

// ParseBound reads a bound as Python and Redis write numbers. ok is false for what
// bounds nothing.
func ParseBound(text string) (b Bound, ok bool) {
	at, ok := Number(text)
	return Bound{at, text}, ok && !math.IsNaN(at) && !math.IsInf(at, -1)
}

// mostCounted is the largest count that is taken for one.
const mostCounted = 1 << 62

// suits reports whether the value is one that a series of the type may have.
func (s *Sample) suits() bool {
	switch {
	case s.Type == mmapstore.Gauge || s.Part == Sum:
		return true
	case s.Part == Value:
		return s.Value >= 0 && !math.IsInf(s.Value, 1)
	default:
		return s.Value >= 0 && s.Value <= mostCounted && s.Value == math.Trunc(s.Value)
	}
}
