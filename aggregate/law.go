package aggregate

import (
	"cmp"
	"math"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// The laws of the merge: what one series of one source adds to the merged one.

// add adds a source's values to the accumulators.
func (m *Merger) add(c *compiled) {
	forgets := m.forgets[c.meta.ID]
	for i := range c.schema.Series {
		t := &c.targets[i]
		if t.series == nil {
			continue
		}
		t.series.stamp = m.merge
		from := &c.schema.Series[i]
		n := c.schema.Families[from.Family].WordCount(c.schema.SumWords)
		if !c.loaded || from.Word+n > len(c.words) {
			t.series.life.live = true // never read yet: nothing says that it was deleted
			continue
		}
		words := c.words[from.Word : from.Word+n]
		life := c.lifeOf(i)
		forgot := forgets[i]
		if forgot != nil && forgot.Generation >= life.generation {
			continue // this life has left the exposition
		}
		created, past := c.past(i, life, forgot)
		s := t.series
		if s.family.mode.Live() && c.meta.dead() {
			continue // an archive will know nothing of it
		}
		s.life.note(past, c.meta.dead())
		if m.folding && !m.folds[c.key()] {
			continue // its life matters to a fold, its values are not folded
		}
		s.life.contribute(created, past)
		if past.Newest == 0 && !s.family.typ.Cumulative() {
			continue // a deleted gauge has no share to keep
		}
		if forgot != nil && len(forgot.Words) == len(words) {
			m.addBeyond(c, from, t, words, forgot.Words)
			continue
		}
		m.addWords(c, from, t, words)
	}
}

// past tells when a contribution began and how it lives: from the history of a
// source that stands for many, otherwise from the series' tombstone.
func (c *compiled) past(i int, life lifeOf, forgot *Forgotten) (created int64, past Past) {
	created = c.schema.Series[i].Created
	if c.history != nil {
		return created, c.history.Series[i]
	}
	born := created
	if life.created != 0 {
		born = life.created
	}
	if forgot != nil {
		created = born // what came before does not count any more
	}
	if life.isDeleted() {
		return created, Past{Deleted: life.deleted}
	}
	return created, Past{Newest: max(born, 1)}
}

func (m *Merger) addWords(c *compiled, from *mmapstore.Series, t *target, words []uint64) {
	s := t.series
	sums := c.schema.SumWords
	switch s.family.typ {
	case mmapstore.Counter, mmapstore.Untyped:
		m.addCounter(s, words)
	case mmapstore.Histogram:
		if t.version != s.version {
			t.buckets, t.version = s.bucketIndexes(c.schema.Families[from.Family].Bounds), s.version
		}
		s.addSums(words[:sums])
		s.addBuckets(words[sums:], t.buckets)
	case mmapstore.Summary:
		s.addSums(words[:sums])
		s.count = addCapped(s.count, words[sums])
	default:
		m.addGauge(c, from, s, words)
	}
}

// addBeyond adds what the cells hold beyond a share that was forgotten. Cells of
// cumulative series only grow; where they did not, somebody else wrote to them,
// and the share is what there is.
func (m *Merger) addBeyond(c *compiled, from *mmapstore.Series, t *target, words, forgotten []uint64) {
	typ, sums := t.series.family.typ, c.schema.SumWords
	first := 0 // of the floats
	if typ == mmapstore.Counter || typ == mmapstore.Untyped {
		first = 1
	}
	beyond := slices.Clone(words)
	for i := range beyond {
		if i < first || i >= first+sums {
			beyond[i] -= min(beyond[i], forgotten[i])
		}
	}
	m.addWords(c, from, t, beyond)
	for i := first; i < first+sums; i++ {
		is, was := math.Float64frombits(words[i]), math.Float64frombits(forgotten[i])
		if !finite(is) || !finite(was) || typ == mmapstore.Counter && sums == 1 && (was < 0 || is < was) {
			continue // was not added, or cannot be what it was
		}
		t.series.sum.add(-was)
	}
}

// addCounter takes the whole part and the floats of a counter.
func (m *Merger) addCounter(s *series, words []uint64) {
	s.addCount(words[0])
	for _, w := range words[1:] {
		v := math.Float64frombits(w)
		// An archive's low part may be negative; a process' float may not.
		if s.family.typ == mmapstore.Counter && (!finite(v) || v < 0 && len(words) == 2) {
			m.invalid++
			continue
		}
		s.sum.add(v)
	}
}

func (s *series) addSums(words []uint64) {
	for _, w := range words {
		s.sum.add(math.Float64frombits(w))
	}
}

func (s *series) addBuckets(counts []uint64, to []int) {
	for i, n := range counts {
		if to != nil {
			i = to[i]
		}
		s.buckets[i] = addCapped(s.buckets[i], n)
	}
}

func (m *Merger) addGauge(c *compiled, from *mmapstore.Series, s *series, words []uint64) {
	mode := s.family.mode
	g := gauge{present: true, set: words[0] != 0, value: math.Float64frombits(words[1])}
	if !g.set {
		g.value = 0
	}
	switch {
	case mode.PerProcess():
		g.at, g.live = cmp.Or(from.Created, c.meta.Created), !c.meta.dead()
	case len(words) <= 2:
	case g.set:
		stored := int64(words[2])
		g.at = m.look.set(from.Word, stored)
		g.noted = min(stored, g.at) // no clock may claim more of the future than another
	default:
		m.look.unset(from.Word)
	}
	if summed(mode) {
		s.gauge.present = true
		s.gauge.set = s.gauge.set || g.set
		s.sum.add(g.value)
		return
	}
	s.gauge.fold(mode, g)
}

// foldLosers brings what dead processes left in a mode that lost into the mode
// that won: first folded by its own law, as it would be in an archive, then by
// the winner's.
func (m *Merger) foldLosers() {
	if m.folding {
		return
	}
	for _, g := range m.groups {
		into := g.shown
		if into.mode.PerProcess() || into.mode.Live() {
			continue
		}
		for _, v := range g.variants {
			if v != into && v.typ == into.typ && !v.mode.PerProcess() && !v.mode.Live() {
				m.foldLoser(v, into)
			}
		}
		for _, v := range g.variants { // when all are there whom it concerns
			if v != into && v.typ == into.typ {
				m.shareLives(v, into)
			}
		}
	}
}

func (m *Merger) foldLoser(from, into *variant) {
	for _, s := range from.order {
		if s.stamp != m.merge {
			continue
		}
		if _, shows := s.exposeGauge(); !shows {
			continue
		}
		to := into.at(s.labels)
		to.stamp = m.merge
		to.life.contributors += s.life.contributors
		c := s.gauge
		if summed(from.mode) {
			c.value = s.sum.value()
		}
		if summed(into.mode) {
			to.gauge.present = true
			to.gauge.set = to.gauge.set || c.set
			to.sum.add(c.value)
			continue
		}
		to.gauge.fold(into.mode, c)
	}
}

// shareLives: a deletion in any mode hides the series in the mode that won, and
// a birth after it shows it.
func (m *Merger) shareLives(from, into *variant) {
	for _, s := range from.order {
		if to, ok := into.series[s.labels]; ok && s.stamp == m.merge && to.stamp == m.merge {
			s.life.share(&to.life)
		}
	}
}
