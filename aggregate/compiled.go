package aggregate

import "github.com/promfold/promfold/mmapstore"

// compiled is a source as a merger knows it: where each of its series goes, and
// the values of the last Load that worked.
type compiled struct {
	meta     Meta
	witness  *Witness
	schema   mmapstore.Schema
	history  *History
	families []*variant // by index of the source's family; nil: left out
	groups   []*group   // the same
	targets  []target   // by index of the source's series
	epoch    uint64     // of the merger when the targets were made
	stamp    uint64     // the merge in which the source last took part
	words    []uint64   // last good values, for the first len(words) words
	lives    []lifeOf   // by index of the series, of those that were ever deleted
	loaded   bool       // words hold something
	// unreadable is why the source goes on with its old layout, in this merge.
	unreadable error
}

// sourceKey tells sources apart. Ids of files and of archives are no matter of
// each other: a file could claim the id of an archive, and take its place.
type sourceKey struct {
	id      mmapstore.ID
	archive bool
}

func keyOf(src Source) sourceKey { return sourceKey{src.Meta().ID, src.History() != nil} }

func (c *compiled) key() sourceKey { return sourceKey{c.meta.ID, c.history != nil} }

// target is where a series of a source goes.
type target struct {
	series  *series
	buckets []int // see series.bucketIndexes
	version int   // of series.bounds when buckets was made
}

// lifeOf is the present life of a series that was deleted before.
type lifeOf struct {
	generation uint64
	created    int64
	deleted    int64
}

func (l *lifeOf) isDeleted() bool { return l.generation%2 == 1 }

// take brings the schema up to date. It reports whether the source laid out its
// series anew, so that nothing which was known of them holds.
func (c *compiled) take(schema mmapstore.Schema) (anew bool) {
	if anew = !continues(&c.schema, &schema); anew {
		c.families, c.groups, c.targets, c.words, c.lives, c.loaded = nil, nil, nil, nil, nil, false
	}
	c.schema = schema
	return anew
}

// resolve finds the families of the source that are new since the last merge.
// It reports whether there were any.
func (m *Merger) resolve(c *compiled) bool {
	known := len(c.families)
	for i := known; i < len(c.schema.Families); i++ {
		f := &c.schema.Families[i]
		if !f.Type.Valid() { // a damaged record keeps its number
			c.families, c.groups = append(c.families, nil), append(c.groups, nil)
			continue
		}
		g := m.group(f.Name)
		v := g.find(f)
		if !m.folding || m.folds[c.key()] {
			v.describe(f, c.born(i))
		}
		v.spelling.vote(f) // also where m folds others: their bounds are in the archive's union
		c.families, c.groups = append(c.families, v), append(c.groups, g)
	}
	return known < len(c.schema.Families)
}

// born is the birth that counts for the source's i-th family.
func (c *compiled) born(i int) int64 {
	if c.history != nil && i < len(c.history.Families) {
		return c.history.Families[i]
	}
	return c.meta.Created
}

// retarget finds where the source's series go, those that are new or, after a
// change of epoch, all.
func (m *Merger) retarget(c *compiled) {
	if c.epoch != m.epoch {
		c.targets, c.epoch = c.targets[:0], m.epoch
	}
	for i := len(c.targets); i < len(c.schema.Series); i++ {
		c.targets = append(c.targets, m.target(c, &c.schema.Series[i]))
	}
}

func (m *Merger) target(c *compiled, from *mmapstore.Series) target {
	v := c.families[from.Family]
	if v == nil {
		return target{}
	}
	// A live gauge of a mode that lost goes by the mode that won. A dead one
	// was folded by its own, or would have been by now.
	if g := c.groups[from.Family]; !c.meta.dead() && !m.folding && g.shown.typ == v.typ {
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
	}
	s := v.at(labels)
	if v.typ == mmapstore.Histogram {
		s.widen(&c.schema.Families[from.Family])
	}
	return target{series: s}
}

// load reads the source's values. If that fails the last good ones stay.
func (m *Merger) load(src Source, c *compiled) error {
	if c.unreadable != nil {
		return c.unreadable
	}
	m.scratch = grow(m.scratch, c.schema.Words)
	if err := src.Load(m.scratch); err != nil {
		return err
	}
	c.words, m.scratch, c.loaded = m.scratch, c.words, true
	return nil
}

func grow(words []uint64, n int) []uint64 {
	if cap(words) < n {
		return make([]uint64, n)
	}
	return words[:n]
}

// readLives gathers which series are deleted or in a later life.
func (c *compiled) readLives() {
	if len(c.schema.Tombstones) == 0 {
		return
	}
	if len(c.lives) < len(c.schema.Series) {
		c.lives = append(c.lives, make([]lifeOf, len(c.schema.Series)-len(c.lives))...)
	}
	for _, t := range c.schema.Tombstones {
		if t.Word+3 > len(c.words) {
			continue
		}
		c.lives[t.Series] = lifeOf{
			generation: c.words[t.Word],
			created:    int64(c.words[t.Word+1]),
			deleted:    int64(c.words[t.Word+2]),
		}
	}
}

func (c *compiled) lifeOf(i int) lifeOf {
	if i < len(c.lives) {
		return c.lives[i]
	}
	return lifeOf{}
}
