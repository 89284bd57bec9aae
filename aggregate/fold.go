package aggregate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// FoldOptions are the limits of an archive. The zero value works.
type FoldOptions struct {
	// DeadGauges is how long the per-process gauges of the dead are kept.
	// Default 10 minutes.
	DeadGauges time.Duration
	// MaxDeadGauges is how many of them. Default 1,000.
	MaxDeadGauges int
	// KeepIDs is how long an absorbed id stays listed. Default 10 minutes.
	KeepIDs time.Duration
	// Lingering are absorbed files that are still there: their ids stay listed,
	// or they would count again. KeepAllIDs is for when there may be more of
	// them than can be told.
	Lingering  map[mmapstore.ID]bool
	KeepAllIDs bool
	// Partial: the sources are not all that a merge would take. What is deleted
	// may be shown by others, so nothing is forgotten.
	Partial bool
	// Now gives the time of day, to several goroutines. Default time.Now.
	Now func() time.Time
}

func (o *FoldOptions) setDefaults() {
	o.DeadGauges = cmp.Or(o.DeadGauges, 10*time.Minute)
	o.MaxDeadGauges = cmp.Or(o.MaxDeadGauges, 1000)
	o.KeepIDs = cmp.Or(o.KeepIDs, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
}

// maxKeptIDs bounds the list of absorbed files that are gone: with 48 bytes each, in
// archive and spare, and room to grow, it is what a crowd of short lives leaves behind.
const maxKeptIDs = 1 << 13

// Fold makes the successor of an archive: with it, the counts of the sources
// that absorb names are held by the archive, and the series that no live
// process shows any more, after somebody deleted them, are forgotten.
//
// sources are all that a merge of the directory would take, apart from the
// archive itself, unless o says otherwise. Those to absorb must be dead and have been probed before they
// are loaded. If one of these cannot be loaded, Fold fails. changed is false if
// the successor says nothing new.
func Fold(old *Archive, sources []Source, absorb map[mmapstore.ID]bool, o FoldOptions) (next *Archive, changed bool, err error) {
	o.setDefaults()
	f := newFolder(old, sources, absorb, o)
	f.m.accumulate(append(slices.Clone(sources), old.Source("archive", nil)))
	for _, t := range f.m.taking {
		if t.c.failed != nil && f.m.adds(t.c) {
			return nil, false, fmt.Errorf("read %s: %w", t.c.meta.Name, t.c.failed)
		}
	}
	f.shareLives()
	f.findExcess()
	f.foldFamilies()
	f.carryForgets()
	expired := f.carryIDs() || old.fromTheFuture(f.now)
	changed = len(absorb) > 0 || expired || f.dropped || f.forgot
	return f.next, changed, nil
}

// folder is the state of one Fold.
type folder struct {
	o    FoldOptions
	now  int64
	old  *Archive
	next *Archive
	m    *Merger
	// excess are the per-process gauges for which there is no room.
	excess map[*series]bool
	// dropped: series of the old archive are not in the new one; forgot: a
	// source's share is forgotten that was not before.
	dropped, forgot bool
}

func newFolder(old *Archive, sources []Source, absorb map[mmapstore.ID]bool, o FoldOptions) *folder {
	m := NewMerger(o.Now)
	m.folding = true
	m.folds = map[sourceKey]bool{{old.ID, true}: true}
	next := NewArchive()
	next.ID, next.Generation, next.Horizon = mmapstore.NewID(), old.Generation+1, old.Horizon
	next.Absorbed = slices.Clone(old.Absorbed)
	f := &folder{o: o, now: o.Now().UnixNano(), old: old, next: next, m: m}
	next.witness.last = f.now // to whom it is known from here on
	for _, src := range sources {
		meta := src.Meta()
		if key := keyOf(&meta, src.History()); absorb[meta.ID] && !m.folds[key] {
			m.folds[key] = true
			next.Absorbed = append(next.Absorbed, Absorbed{meta.ID, next.Generation, f.now, meta.Inode})
		}
	}
	return f
}

// shareLives lets the modes of a gauge share their lives, as they do in a merge:
// whether a series was deleted is not a matter of who keeps its value.
func (f *folder) shareLives() {
	for _, g := range f.m.groups {
		if len(g.variants) < 2 {
			continue
		}
		shared := make(map[sameSeries]*life)
		for _, v := range g.variants {
			for _, s := range v.order {
				key := sameSeries{v.typ, s.labels}
				if shared[key] == nil {
					shared[key] = &life{}
				}
				s.life.share(shared[key])
			}
		}
		for _, v := range g.variants {
			for _, s := range v.order {
				shared[sameSeries{v.typ, s.labels}].share(&s.life)
			}
		}
	}
}

// sameSeries is what a series of one name has in common in all modes.
type sameSeries struct {
	typ    mmapstore.Type
	labels mmapstore.Labels
}

// findExcess chooses the per-process gauges for which there is no room: those
// that died first.
func (f *folder) findExcess() {
	var all []*series
	for _, g := range f.m.sortedGroups() {
		for _, v := range g.variants {
			if v.mode.PerProcess() && !v.mode.Live() {
				all = append(all, v.order...)
			}
		}
	}
	all = slices.DeleteFunc(all, func(s *series) bool {
		return s.life.contributors == 0 || f.hidden(s) || f.outlived(s)
	})
	if len(all) <= f.o.MaxDeadGauges {
		return
	}
	slices.SortStableFunc(all, func(a, b *series) int { return cmp.Compare(f.died(b), f.died(a)) })
	f.excess = make(map[*series]bool)
	for _, s := range all[f.o.MaxDeadGauges:] {
		f.excess[s] = true
	}
}

func (f *folder) foldFamilies() {
	for _, v := range f.m.recorded() {
		f.foldVariant(v)
	}
}

// foldVariant writes a family and its series. The family stays even without
// series: whom a conflict favours must not depend on what was archived.
func (f *folder) foldVariant(v *variant) {
	f.next.addFamily(v, nil)
	for _, s := range f.kept(v) {
		if v.typ == mmapstore.Histogram && !slices.Equal(f.next.Schema.Families[len(f.next.Schema.Families)-1].Bounds, s.bounds) {
			f.next.addFamily(v, s.bounds)
		}
		f.addSeries(s)
	}
}

// kept is the series of a variant that the archive goes on holding.
func (f *folder) kept(v *variant) []*series {
	if v.mode.Live() {
		return nil
	}
	return slices.DeleteFunc(v.recorded(), func(s *series) bool {
		drop := f.hidden(s) || f.outlived(s) || f.excess[s]
		f.dropped = f.dropped || drop
		return drop
	})
}

// hidden: somebody deleted the series, and nobody shows it, as far as can be told.
func (f *folder) hidden(s *series) bool { return !f.o.Partial && s.life.hidden() }

// outlived: a per-process gauge that has been dead for long enough.
func (f *folder) outlived(s *series) bool {
	return s.family.mode.PerProcess() && f.now-f.died(s) > int64(f.o.DeadGauges)
}

// died is when the process of a gauge died, which is now if it was not
// archived before.
// A death that is yet to come was noted before the clock stepped back: its time
// begins anew.
func (f *folder) died(s *series) int64 { return min(cmp.Or(s.life.past.Died, f.now), f.now) }

func (f *folder) addSeries(s *series) {
	past, created := s.life.past, s.life.createdTime()
	past.Died = 0
	if s.family.mode.PerProcess() {
		past.Died = f.died(s)
		created = f.m.birth(s)
	}
	f.next.layOutSeries(s, created, past)
	f.next.Words = f.m.appendWords(f.next.Words, s)
}

// birth is that by which a younger process replaces the gauge of one.
func (m *Merger) birth(s *series) int64 { return m.totals.gauges[s.place.gauge].at }

// appendWords appends the series in the layout of an archive: see mmapstore.Schema.
func (m *Merger) appendWords(words []uint64, s *series) []uint64 {
	t, p := &m.totals, s.place
	switch s.family.typ {
	case mmapstore.Counter:
		words = append(words, t.counts[p.count])
		return appendFloats(words, t.sums[p.sum].finiteParts)
	case mmapstore.Untyped:
		words = append(words, t.counts[p.count])
		return appendFloats(words, t.sums[p.sum].parts)
	case mmapstore.Histogram:
		return append(appendFloats(words, t.sums[p.sum].parts), t.buckets(s)...)
	case mmapstore.Summary:
		return append(appendFloats(words, t.sums[p.sum].parts), t.counts[p.count])
	}
	value, _ := m.gauge(s)
	g := &t.gauges[p.gauge]
	set := uint64(0)
	if g.set {
		set = 1
	}
	words = append(words, set, math.Float64bits(value))
	if s.family.mode.Timed() {
		words = append(words, uint64(g.at))
	}
	return words
}

func appendFloats(words []uint64, parts func() (hi, lo float64)) []uint64 {
	hi, lo := parts()
	return append(words, math.Float64bits(hi), math.Float64bits(lo))
}

// carryForgets writes down what counts no more of the sources that remain.
func (f *folder) carryForgets() {
	forgotten := make(map[mmapstore.ID][]Forgotten)
	for key, c := range f.m.sources {
		if f.m.folds[key] || c.history != nil { // who stands for many forgets by itself
			continue
		}
		for i := range c.program.targets {
			if entry, ok := f.forgottenShare(c, i); ok {
				forgotten[key.id] = append(forgotten[key.id], entry)
			}
		}
	}
	absorbed := idSet(f.next.Absorbed) // which is not final yet
	for id, entries := range f.old.History.Forgotten {
		// A file that we cannot see today may be back tomorrow.
		if _, here := f.m.sources[sourceKey{id: id}]; !here && !absorbed[id] && len(forgotten) < maxForgotten {
			forgotten[id] = entries
		}
	}
	if len(forgotten) > 0 {
		f.next.History.Forgotten = forgotten
	}
}

// maxForgotten bounds for how many absent sources shares stay forgotten.
const maxForgotten = 1 << 12

func (f *folder) forgottenShare(c *compiled, i int) (Forgotten, bool) {
	s := c.program.targets[i]
	known := f.m.forgets[c.meta.ID][i]
	generation := c.lifeOf(i).generation
	if s == nil || !f.hidden(s) || known != nil && known.Generation >= generation {
		if known == nil {
			return Forgotten{}, false
		}
		return *known, true
	}
	f.forgot = true
	entry := Forgotten{Series: i, Generation: generation}
	if s.family.typ.Cumulative() {
		from := &c.schema.Series[i]
		n := c.schema.Families[from.Family].WordCount(c.schema.SumWords)
		entry.Words = slices.Clone(c.words[from.Word : from.Word+n])
	}
	return entry, true
}

// carryIDs drops the ids of files that have been gone for long enough, and
// reports whether there were any.
func (f *folder) carryIDs() bool {
	if f.o.KeepAllIDs {
		return false
	}
	a := f.next
	excess := len(a.Absorbed) - maxKeptIDs
	before := len(a.Absorbed)
	a.Absorbed = slices.DeleteFunc(a.Absorbed, func(e Absorbed) bool {
		young := f.now-e.At <= int64(f.o.KeepIDs) && excess <= 0
		if e.Generation == a.Generation || f.o.Lingering[e.ID] || young {
			return false
		}
		excess--
		a.Horizon = max(a.Horizon, e.Generation+1)
		return true
	})
	return len(a.Absorbed) < before
}
