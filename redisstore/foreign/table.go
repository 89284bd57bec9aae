package foreign

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/promfold/promfold/mmapstore"
)

// Table gathers the samples of one read. One goroutine uses it.
type Table struct {
	round    *Round
	families map[familyKey]*family
	series   int
}

// familyKey tells families apart. A name with two types is a conflict, which the merge
// settles.
type familyKey struct {
	name string
	typ  mmapstore.Type
}

type family struct {
	series map[mmapstore.Labels]*series
}

// series is what was found of one label set.
type series struct {
	has     [Bucket]bool // by Part
	value   float64      // of a counter or gauge
	sum     float64
	count   uint64
	prefer  int
	buckets []bucket
	where   Where
}

type bucket struct {
	bound Bound
	count uint64
}

// NewTable makes a table whose bad samples go to the round.
func NewTable(r *Round) *Table {
	return &Table{round: r, families: make(map[familyKey]*family)}
}

// Add takes a sample, unless it cannot be shown.
func (t *Table) Add(s Sample) {
	if s.Family == "" || len(s.Family) > mmapstore.MaxName || !utf8.ValidString(s.Family) {
		t.round.Bad(s.Where, BadName, "no name of a metric")
		return
	}
	if label := mmapstore.TakenLabel(s.Type, s.Labels); label != "" {
		t.round.Bad(s.Where, BadLabels, fmt.Sprintf("a %v has the label %s", s.Type, label))
		return
	}
	if !s.suits() {
		t.round.Bad(s.Where, BadValue, fmt.Sprintf("%v of a %v", s.Value, s.Type))
		return
	}
	if at := t.at(&s); at != nil {
		at.take(&s, t.round)
	}
}

// at is the series of a sample, made if there is room for it.
func (t *Table) at(s *Sample) *series {
	key := familyKey{s.Family, s.Type}
	f, ok := t.families[key]
	if !ok && len(t.families) < mmapstore.MaxFamilies {
		f = &family{series: make(map[mmapstore.Labels]*series)}
		t.families[key] = f
	}
	var at *series
	if f != nil {
		at = f.series[s.Labels]
	}
	switch {
	case at != nil:
	case f == nil || t.series == mmapstore.MaxSeries:
		t.round.Bad(s.Where, OverLimit, "too many families or series")
	default:
		at = &series{where: s.Where}
		f.series[s.Labels] = at
		t.series++
	}
	return at
}

// take adds a sample to its series. What is there already was written by another
// release, or with other words for the same: no increment went to both, so they are
// added up; of gauges the preferred one is shown.
func (at *series) take(s *Sample, r *Round) {
	if s.Part == Bucket {
		at.buckets = append(at.buckets, bucket{s.Bound, uint64(s.Value)})
		return
	}
	if at.has[s.Part] {
		r.Defect(s.Where, Duplicate)
		if s.Type == mmapstore.Gauge {
			if s.Prefer > at.prefer || s.Prefer == at.prefer && s.Value < at.value {
				at.value, at.prefer = s.Value, s.Prefer
			}
			return
		}
	} else {
		at.has[s.Part], at.prefer = true, s.Prefer
		if s.Part == Value {
			at.value = s.Value // adding to zero would lose the sign of another zero
			return
		}
	}
	switch s.Part {
	case Value:
		at.value += s.Value
	case Sum:
		at.sum += s.Value
	default:
		at.count = addCapped(at.count, uint64(s.Value))
	}
}

// addCapped adds counts. Only malice makes them overflow; then they stay at the top.
func addCapped(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}
