package aggregate

import (
	"maps"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// plan gives the source its program, that of another source with the same schema if
// there is one. It reports whether it is another one than in the last merge.
func (m *Merger) plan(c *compiled) (changed bool) {
	key := programKey{n: len(c.schema.Series), version: c.schema.Version, dead: c.meta.dead()}
	if key.n > 0 {
		key.series = &c.schema.Series[0]
	}
	p := c.program
	if p == nil || !m.current(p, c, key) {
		if p = m.programs[key]; p == nil || !m.current(p, c, key) {
			p = m.newProgram(c, key)
		}
		changed, c.program = true, p
	}
	p.stamp = m.merge
	return changed
}

// current reports whether the program is good for the source.
func (m *Merger) current(p *program, c *compiled, key programKey) bool {
	return p.key == key && p.epoch == m.epoch && len(p.schema.Tombstones) == len(c.schema.Tombstones) &&
		p.schema.Words == c.schema.Words && slices.Equal(p.labels, c.meta.Labels)
}

// newProgram finds where the source's series go. What was found for the beginning of
// the schema holds, unless the merger shows other variants since.
func (m *Merger) newProgram(c *compiled, key programKey) *program {
	p := &program{key: key, schema: c.schema, history: c.history, labels: c.meta.Labels, epoch: m.epoch}
	p.targets = make([]*series, 0, key.n)
	if old := c.program; old != nil && old.epoch == m.epoch && old.key.dead == key.dead && slices.Equal(old.labels, p.labels) {
		p.targets, p.personal = append(p.targets, old.targets...), old.personal
	}
	for i := len(p.targets); i < key.n; i++ {
		p.targets = append(p.targets, m.target(c, p, i))
	}
	p.dateless = c.history == nil && len(c.schema.Tombstones) == 0 &&
		!slices.ContainsFunc(c.schema.Series, func(s mmapstore.Series) bool { return s.Created != 0 })
	p.placed = unplaced
	m.neighbour = p
	if !p.personal {
		m.programs[key] = p
	}
	return p
}

// target is the series to which the source's i-th goes, nil if it is left out.
func (m *Merger) target(c *compiled, p *program, i int) *series {
	from := &c.schema.Series[i]
	v := c.families[from.Family]
	if v == nil {
		return nil
	}
	// A live gauge of a mode that lost goes by the mode that won. A dead one
	// was folded by its own, or would have been by now.
	if g := c.groups[from.Family]; !c.meta.dead() && !m.folding && g.shown.typ == v.typ && c.fits(v, g.shown) {
		v = g.shown
	}
	labels := from.Labels
	if !m.folding { // an archive is without: each reader has its own for the directory
		for _, l := range c.meta.Labels {
			labels = labels.With(l.Name, l.Value)
		}
	}
	if v.mode.PerProcess() && c.history == nil {
		labels = labels.With("pid", c.meta.Identity)
		p.personal = true
	}
	f := &c.schema.Families[from.Family]
	s := m.likely(v, labels, i)
	if s == nil {
		s = v.at(labels, f.Bounds)
	}
	if v.typ == mmapstore.Histogram {
		m.widen(s, f)
	}
	return s
}

// fits reports whether what the source has of one mode can go by another. In a record the
// label pid is there already, or nobody knows any more what it was.
func (c *compiled) fits(from, into *variant) bool {
	return c.history == nil || from.mode.PerProcess() == into.mode.PerProcess()
}

// likely is the series of the labels if it is the one at the same index of the source
// before: workers of one application have the same series in the same order, and to
// compare is cheaper than to look up.
func (m *Merger) likely(v *variant, labels mmapstore.Labels, i int) *series {
	if p := m.neighbour; p != nil && p.epoch == m.epoch && i < len(p.targets) {
		if s := p.targets[i]; s != nil && s.family == v && s.labels == labels {
			return s
		}
	}
	return nil
}

// dropPrograms lets go of the programs that no source has any more.
func (m *Merger) dropPrograms() {
	maps.DeleteFunc(m.programs, func(_ programKey, p *program) bool { return p.stamp != m.merge })
	if m.neighbour != nil && m.neighbour.stamp != m.merge {
		m.neighbour = nil
	}
}

// placeAnew takes all places away, so that series get others without gaps where some
// were that are gone.
func (m *Merger) placeAnew() {
	m.totals, m.wasted = totals{}, 0
	m.placed++
	for v := range m.variants() {
		for _, s := range v.order {
			s.placed = false
		}
	}
}

// placeSteps makes the steps of the programs that are new, or some of whose series
// have another place than when they were made.
func (m *Merger) placeSteps(taking []part) {
	done := true
	for _, t := range taking {
		if p := t.c.program; p.placed != m.placed {
			p.compile(&m.totals)
			done = false
			p.placed = m.placed
		}
	}
	if done {
		return
	}
	for v := range m.variants() {
		for _, s := range v.order {
			m.totals.place(s) // in a mode that lost, from the last merge
		}
	}
}

// unplaced is the count of placings of which no steps were made.
const unplaced = ^uint64(0)
