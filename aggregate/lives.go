package aggregate

// Who contributes to which series, and since when, changes far more seldom than the
// values do. It is gathered anew only when something of it did.

// gatherLives finds out anew who contributes to which series.
func (m *Merger) gatherLives(taking []part) {
	for v := range m.variants() {
		for _, s := range v.order {
			s.life = life{}
		}
	}
	for _, t := range taking {
		if p := t.c.program; p.dateless && t.c.read >= t.c.schema.Words && t.c.loaded && m.adds(t.c) && m.forgets[t.c.meta.ID] == nil {
			p.crowd++ // which all say the same
			continue
		}
		m.addLives(t.c)
	}
	for _, t := range taking {
		if p := t.c.program; p.crowd > 0 {
			m.addCrowd(p)
			p.crowd = 0
		}
	}
}

// addCrowd is addLives of sources that share a dateless program.
func (m *Merger) addCrowd(p *program) {
	past := Past{Newest: 1} // see compiled.past
	for _, s := range p.targets {
		if s == nil {
			continue
		}
		s.stamp = m.merge
		if p.key.dead && s.family.mode.Live() {
			continue
		}
		s.life.note(past, p.key.dead)
		s.life.contribute(0, past)
		s.life.contributors += p.crowd - 1
	}
}

func (m *Merger) addLives(c *compiled) {
	forgets, dead, adds := m.forgets[c.meta.ID], c.meta.dead(), m.adds(c)
	for i, s := range c.program.targets {
		if s == nil {
			continue
		}
		s.stamp = m.merge
		if !c.has(i) {
			s.life.live = true // never read yet: nothing says that it was deleted
			continue
		}
		life := c.lifeOf(i)
		forgot := forgets[i]
		left := forgot != nil && forgot.Generation >= life.generation // the exposition, with this life
		if left && !m.recording() {
			continue
		}
		if dead && s.family.mode.Live() {
			continue // an archive will know nothing of it
		}
		created, past := c.past(i, life, forgot)
		if left {
			past = Past{Deleted: max(life.deleted, 1)} // others may still have a share
			created = past.Deleted                     // that of the old life would be older than all that counts
		}
		s.life.note(past, dead || c.diedOut(i))
		if adds { // its life matters to a fold, even if its values are not folded
			s.life.contribute(created, past)
		}
	}
}

// diedOut reports whether nobody who lives shows the i-th series of a record.
func (c *compiled) diedOut(i int) bool { return c.history != nil && c.history.Series[i].Died != 0 }

// has reports whether the values of the i-th series were ever read.
func (c *compiled) has(i int) bool {
	if !c.loaded {
		return false
	}
	if c.read >= c.schema.Words {
		return true
	}
	from := &c.schema.Series[i]
	return from.Word+c.schema.Families[from.Family].WordCount(c.schema.SumWords) <= c.read
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
		value, shows := m.gauge(s)
		if !shows {
			continue
		}
		to := into.at(s.labels, nil)
		m.totals.place(to)
		to.stamp = m.merge
		to.life.contributors += s.life.contributors
		c, at := m.totals.gauges[s.place.gauge], &m.totals.gauges[to.place.gauge]
		c.value = value
		if !summed(into.mode) {
			at.fold(into.mode, c)
			continue
		}
		at.present, at.set = true, at.set || c.set
		m.totals.sums[to.place.sum].add(c.value)
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
