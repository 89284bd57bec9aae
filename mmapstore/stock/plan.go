//go:build unix

package stock

import (
	"fmt"
	"math"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// plan is a layout of the series: which family each is of, where it lies in the
// vector of values, and how that comes from the cells. Within one version it
// only grows, so that a Load may go on with what it had when a Refresh came.
type plan struct {
	schema  mmapstore.Schema
	least   int      // words of the schema when it was new; earlier vectors have fewer
	items   int      // of the index that have their place
	ops     []op     // in the order of the words that they fill
	closed  int      // of ops that take up no more: somebody may load by them
	each    int32    // words of the cells that an entry has
	cells   []settle // by word of the cells
	damages damages  // series that cannot be shown
	time    func(float64) int64

	single   []int32          // by metric: its family if it has one alone, or none
	families map[string]int32 // those of histograms, by metric, bounds and spelling
	shared   bool             // buckets are sparse, and all label sets have the bounds of all
	union    []boundary       // if shared: these bounds, but +Inf
	united   map[int32]bool   // marks that union has
	gauges   map[gaugeKey]int // per process: where in ops they are
	bounds   []boundary       // scratch
	key      []byte           // scratch
}

// gaugeKey is what tells the gauges of a file apart.
type gaugeKey struct {
	metric, mark int32
	labels       mmapstore.Labels
}

// op leads from the cells of n entries, one after the other, to words of the vector.
type op struct {
	what operation
	cell int32
	word int32
	n    int32 // for difference: the number of buckets
}

type operation uint8

const (
	setCounter   operation = iota // word: count, then the value
	setGauge                      // word: set, value
	setGaugeOnce                  // the same, of a gauge that is unset at time 0
	setTimed                      // word: set, value, time
	setTimedOnce                  // the same, of a gauge that is unset at time 0
	addSum
	addCount
	difference // of cumulative buckets, once all are there
)

// settle says what a cell may not do from one Load to the next: see loader.
type settle uint8

const (
	asRead  settle = iota
	notZero        // zero is looked at twice
	notLess        // it never decreases
)

func newPlan(old *plan, s *Siblings) *plan {
	p := &plan{families: make(map[string]int32), united: make(map[int32]bool), gauges: make(map[gaugeKey]int)}
	p.schema.SumWords, p.schema.Version = 1, s.version(old)
	if old != nil {
		p.least = old.schema.Words + 1
	}
	return p
}

func (p *plan) damage(off uint32, err error) {
	p.damages.add(int64(off), err)
}

// lay brings the plan up to date with what was parsed. cells is the length of the
// cells' vector.
func (r *Reader) lay(cells int) {
	switch {
	case r.overruled:
		r.own()
	case r.sibling != nil:
		r.show(r.sibling.plan)
		return
	case r.plan.items == len(r.index.items):
		return
	}
	r.overruled = false
	t := r.laidTraits()
	if r.plan.items > 0 && r.outdated(&t) {
		r.plan = newPlan(r.plan, r.siblings)
		for i := range r.index.sets {
			r.index.sets[i].laid = false
		}
	}
	p := r.plan
	p.closed, p.each = len(p.ops), int32(r.words(r.layout))
	p.prepare(r.index, &t, r.overrides, cells)
	for i := p.items; i < len(r.index.items); i++ {
		it := &r.index.items[i]
		s := &r.index.sets[it.set]
		m := &r.index.metrics[s.metric]
		switch {
		case m.shape.drop:
		case !parted(m.shape.typ):
			p.layItem(r.index, it, &t)
		case !s.laid:
			p.laySet(r.index, it.set, &t)
		}
		s.laid = true
	}
	p.items = len(r.index.items)
	// A vector of this layout is longer than any of the one before, so that Load
	// can tell them apart.
	p.schema.Words = max(p.schema.Words, p.least)
}

// laidTraits are the traits, without times if the file has none.
func (r *Reader) laidTraits() Traits {
	t := r.format.Traits()
	if r.words(r.layout) == 1 {
		t.Time, t.UnsetAtZero = nil, false
	}
	return t
}

// outdated reports whether the new items, or what the operator says now, do not
// fit into the plan: a known label set got another part, or is there again, a
// sparse histogram got another bound, or a metric another shape.
func (r *Reader) outdated(t *Traits) bool {
	x := r.index
	if r.plan.shared != x.share(t) {
		return true
	}
	for i := range x.metrics {
		m := &x.metrics[i]
		if m.laid && m.shapeOf(t, r.overrides) != m.shape {
			return true
		}
	}
	for i := r.plan.items; i < len(x.items); i++ {
		it := &x.items[i]
		s := &x.sets[it.set]
		m := &x.metrics[s.metric]
		switch {
		case !m.laid || m.shape.drop:
		case !parted(m.shape.typ):
			if _, again := r.plan.gauges[x.gaugeKey(it)]; again {
				return true
			}
		case s.laid || r.plan.shared && it.part == Bucket && !r.plan.united[it.mark]:
			return true
		}
	}
	return false
}

// share decides whether all label sets of a sparse histogram, which is alone in
// its file, get the bounds of all of them. It spares us a family for each.
func (x *index) share(t *Traits) bool {
	return t.Sparse && mmapstore.MayUnite(len(x.marks), len(x.sets))
}

func (x *index) gaugeKey(it *item) gaugeKey {
	s := &x.sets[it.set]
	return gaugeKey{s.metric, it.mark, s.labels}
}

// prepare takes the traits, gives each metric its shape and gathers the bounds of sparse buckets.
func (p *plan) prepare(x *index, t *Traits, overrides mmapstore.Overrides, cells int) {
	for i := range x.metrics {
		x.metrics[i].shape, x.metrics[i].laid = x.metrics[i].shapeOf(t, overrides), true
	}
	for len(p.single) < len(x.metrics) {
		p.single = append(p.single, none)
	}
	p.cells = append(p.cells, make([]settle, cells-len(p.cells))...)
	p.schema.Series = slices.Grow(p.schema.Series, max(len(x.sets)-len(p.schema.Series), 0))
	p.time = t.Time
	if p.shared = x.share(t); !p.shared {
		return
	}
	for _, it := range x.items[p.items:] {
		if it.part == Bucket && !p.united[it.mark] {
			p.united[it.mark] = true
			if b := x.marks[it.mark].bound; b <= math.MaxFloat64 {
				p.union = append(p.union, boundary{b, it.mark})
			}
		}
	}
	p.union = tidy(p.union)
}

// layItem gives an item of a metric with one value per series its place.
func (p *plan) layItem(x *index, it *item, t *Traits) {
	s := &x.sets[it.set]
	m := &x.metrics[s.metric]
	if p.single[s.metric] == none {
		p.single[s.metric] = p.addFamily(m, mmapstore.Family{})
	}
	if i, again := p.gauges[x.gaugeKey(it)]; again {
		// Under a pid that was used before, an edited help makes another entry of
		// the series. Clients show the last one. (Ops of an earlier Refresh, which
		// a Load may be reading, are not changed: see outdated.)
		p.ops[i].cell = it.word
		return
	}
	labels := s.labels
	if it.mark != noMark {
		labels = labels.With(x.marks[it.mark].name, x.marks[it.mark].text)
	}
	word, ok := p.addSeries(p.single[s.metric], labels, it.off)
	if !ok {
		return
	}
	what, settled := setCounter, notZero
	switch m.shape.typ {
	case mmapstore.Gauge:
		what = t.gauge(m.shape.mode)
	case mmapstore.Counter:
		settled = notLess
	}
	p.place(what, it, int32(word), settled)
	if m.shape.mode.PerProcess() { // it may get another cell
		p.gauges[x.gaugeKey(it)], p.closed = len(p.ops)-1, len(p.ops)
	}
}

// gauge is how a gauge of the file gets into the vector.
func (t *Traits) gauge(m mmapstore.Mode) operation {
	timed := m.Timed() && t.Time != nil
	switch {
	case timed && t.UnsetAtZero:
		return setTimedOnce
	case timed:
		return setTimed
	case t.UnsetAtZero:
		return setGaugeOnce
	}
	return setGauge
}

// addFamily makes a family of the metric, f having what tells it from others of
// the metric. Its index is none if it cannot be shown.
func (p *plan) addFamily(m *metric, f mmapstore.Family) int32 {
	f.Name, f.Help, f.Type, f.Mode = m.name, m.shape.help, m.shape.typ, m.shape.mode
	err := checkFamily(&f)
	if err == nil && len(p.schema.Families) >= mmapstore.MaxFamilies {
		err = fmt.Errorf("family number %d: %w", len(p.schema.Families)+1, mmapstore.ErrLimit)
	}
	if err != nil {
		p.damage(m.first, err)
		return refused
	}
	p.schema.Families = append(p.schema.Families, f)
	return int32(len(p.schema.Families) - 1)
}

// refused stands for a family that cannot be shown; that was said once.
const refused = -2

// addSeries gives a series its words.
func (p *plan) addSeries(family int32, labels mmapstore.Labels, off uint32) (word int, ok bool) {
	if family == refused {
		return 0, false
	}
	f := &p.schema.Families[family]
	if name := mmapstore.TakenLabel(f.Type, labels); name != "" {
		p.damage(off, fmt.Errorf("label %q in a %v: %w", name, f.Type, mmapstore.ErrMalformed))
		return 0, false
	}
	word = p.schema.Words
	n := f.WordCount(1)
	if word+n > mmapstore.MaxWords || len(p.schema.Series) >= mmapstore.MaxSeries {
		p.damage(off, fmt.Errorf("%d words, %d series: %w", word+n, len(p.schema.Series)+1, mmapstore.ErrLimit))
		return 0, false
	}
	p.schema.Words = word + n
	p.schema.Series = append(p.schema.Series, mmapstore.Series{Family: int(family), Labels: labels, Word: word})
	return word, true
}
