package aggregate

import (
	"cmp"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// program is what a schema comes to in a merge: where each of its series goes, as
// runs of words that are added to runs of accumulators. Sources that share their
// schema share a program.
type program struct {
	key     programKey
	schema  mmapstore.Schema
	history *History          // of an archive
	labels  []mmapstore.Label // of the directory
	epoch   uint64            // of the merger when targets was made
	placed  uint64            // of the merger when steps was made
	targets []*series         // by index of the source's series; nil: left out
	steps   []step
	parts   []stretch // of steps
	scatter [][]int32 // for steps of that kind: which bucket each word goes to
	// personal: some target is of one process alone.
	personal bool
	stamp    uint64 // the last merge that had a source with it
	// dateless: no series says when it began, nor can one be deleted.
	dateless bool
	crowd    int // how many sources have the program, while their lives are gathered
}

// programKey tells which sources may share a program: those whose schemas are the
// same memory.
type programKey struct {
	series  *mmapstore.Series
	n       int
	version uint64
	dead    bool
}

// step is a run of series of one kind.
type step struct {
	what   stepKind
	mode   mmapstore.Mode // of gauges
	n      int32          // series in a row
	words  int32          // of each
	sums   int32          // floats among them that are a sum
	word   int32          // of the source where the first begins
	place  place          // of the first
	series int32          // single: its index; scattered: that of the map in scatter
}

// stretch is steps of one kind in a row.
type stretch struct {
	what     stepKind
	from, to int32
}

type stepKind uint8

const (
	stepCounters stepKind = iota
	stepUntyped
	stepHistograms
	stepScattered // a histogram whose buckets are not all those of the series
	stepSummaries
	stepGaugeSums
	stepGauges
	stepSingle // by the long way, which knows of lives and of times
)

// compile makes the steps anew. Series without a place get one, in the order in which they
// lie in the source.
func (p *program) compile(t *totals) {
	p.steps, p.parts, p.scatter = p.steps[:0], p.parts[:0], nil
	order := make([]int32, 0, len(p.targets))
	for i, s := range p.targets {
		if s != nil {
			order = append(order, int32(i))
		}
	}
	byWord := func(a, b int32) int { return cmp.Compare(p.schema.Series[a].Word, p.schema.Series[b].Word) }
	if !slices.IsSortedFunc(order, byWord) {
		slices.SortFunc(order, byWord)
	}
	buried := p.buried()
	for _, i := range order {
		t.place(p.targets[i])
		if !p.counts(i) {
			continue
		}
		st := p.stepOf(i)
		switch {
		case buried[i]:
			st.what = stepSingle
		case st.what == stepScattered:
			st.series = int32(len(p.scatter))
			p.scatter = append(p.scatter, p.targets[i].bucketIndexes(p.schema.Families[p.schema.Series[i].Family].Bounds))
		}
		p.join(st)
	}
}

// counts reports whether the series has values to add: live gauges of the dead have
// none, nor have gauges that were deleted before they were archived.
func (p *program) counts(i int32) bool {
	s := p.targets[i]
	if s.family.typ.Cumulative() {
		return true
	}
	if p.key.dead && s.family.mode.Live() {
		return false
	}
	return p.history == nil || p.history.Series[i].Newest != 0
}

// buried are the series that may be deleted.
func (p *program) buried() map[int32]bool {
	if len(p.schema.Tombstones) == 0 {
		return nil
	}
	buried := make(map[int32]bool, len(p.schema.Tombstones))
	for _, t := range p.schema.Tombstones {
		buried[int32(t.Series)] = true
	}
	return buried
}

// stepOf is the step of one series.
func (p *program) stepOf(i int32) step {
	from, s := &p.schema.Series[i], p.targets[i]
	f := &p.schema.Families[from.Family]
	st := step{
		n: 1, words: int32(f.WordCount(p.schema.SumWords)), word: int32(from.Word), place: s.place,
		sums: int32(p.schema.SumWords), mode: s.family.mode, series: i,
	}
	switch typ := s.family.typ; {
	case typ == mmapstore.Counter:
		st.what = stepCounters
	case typ == mmapstore.Untyped:
		st.what = stepUntyped
	case typ == mmapstore.Histogram:
		st.what = stepHistograms
		if !slices.Equal(f.Bounds, s.bounds) {
			st.what = stepScattered
		}
	case typ == mmapstore.Summary:
		st.what = stepSummaries
	case s.family.mode.PerProcess(), f.Mode.Timed():
		st.what = stepSingle
	case summed(s.family.mode):
		st.what = stepGaugeSums
	default:
		st.what = stepGauges
	}
	return st
}

// join adds a step, to the last one if it goes on where that ends.
func (p *program) join(st step) {
	if n := len(p.steps); n > 0 && p.steps[n-1].goesOn(&st) {
		p.steps[n-1].n++
		return
	}
	at := int32(len(p.steps))
	p.steps = append(p.steps, st)
	if n := len(p.parts); n == 0 || p.parts[n-1].what != st.what {
		p.parts = append(p.parts, stretch{st.what, at, at})
	}
	p.parts[len(p.parts)-1].to++
}

// goesOn reports whether the step, of one series, is the next in the run.
func (st *step) goesOn(next *step) bool {
	switch {
	case st.what != next.what || st.mode != next.mode || st.words != next.words,
		st.what == stepScattered, st.what == stepSingle, next.word != st.word+st.n*st.words:
		return false
	}
	return next.place == st.next()
}

// next is the place behind the run.
func (st *step) next() place {
	p := st.place
	switch st.what {
	case stepGauges:
		p.gauge += st.n
	case stepGaugeSums:
		p.gauge, p.sum = p.gauge+st.n, p.sum+st.n
	case stepHistograms:
		p.count, p.sum = p.count+st.n*(st.words-st.sums), p.sum+st.n
	default:
		p.count, p.sum = p.count+st.n, p.sum+st.n
	}
	return p
}
