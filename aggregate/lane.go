package aggregate

import (
	"cmp"
	"math"
	"runtime"
	"slices"

	"github.com/promfold/promfold/internal/spread"
	"github.com/promfold/promfold/mmapstore"
)

// lane reads some of the sources of a merge, one after the other, and adds them up.
// Where there are many, several lanes do so side by side.
type lane struct {
	m       *Merger
	totals  *totals // the merger's, or the lane's own
	own     totals
	parts   []part
	scratch []uint64

	loadedAt int64 // when the last source was loaded, Unix nanoseconds
	look     look  // at the present source
	invalid  int   // values that no law can take
	moved    bool  // some source has other lives than in the last merge
}

// worthLane is how many values are worth a lane of their own.
const worthLane = 1 << 14

// read reads all sources and adds them up in the merger's totals. It reports whether
// lives changed.
func (m *Merger) read(taking []part) (moved bool) {
	lanes := m.divide(taking)
	m.totals.like(&m.totals)
	for i, l := range lanes {
		l.totals = &m.totals
		if i > 0 {
			l.totals = &l.own
			l.own.like(&m.totals)
		}
	}
	spread.Each(len(lanes), func(i int) { lanes[i].run() })
	for i, l := range lanes {
		moved = moved || l.moved
		m.invalid += l.invalid
		if i > 0 {
			m.addLane(&l.own)
		}
		l.parts = nil
	}
	return moved
}

// divide gives each lane its sources, in a row, as many words to each.
func (m *Merger) divide(taking []part) []*lane {
	words := 0
	for _, t := range taking {
		words += t.c.schema.Words
	}
	n := max(1, min(runtime.GOMAXPROCS(0), words/m.worthLane, len(taking)))
	for len(m.lanes) < n {
		m.lanes = append(m.lanes, &lane{m: m})
	}
	lanes := m.lanes[:n]
	share, sum, next := (words+n-1)/n, 0, 0
	for i, l := range lanes {
		begin := next
		for next < len(taking) && (sum < share*(i+1) || i == n-1) {
			sum += taking[next].c.schema.Words
			next++
		}
		l.parts, l.loadedAt, l.invalid, l.moved = taking[begin:next], m.began, 0, false
	}
	return lanes
}

func (m *Merger) addLane(o *totals) {
	for v := range m.variants() {
		for _, s := range v.order {
			m.totals.addSeries(s, o)
		}
	}
}

func (l *lane) run() {
	for _, t := range l.parts {
		l.take(t)
	}
}

// take reads the values of a source and adds them.
func (l *lane) take(t part) {
	w, since := t.c.witness, l.loadedAt
	number := w.begin()
	words, err := l.load(t.src, t.c)
	t.c.failed = err
	l.loadedAt = l.m.now().UnixNano()
	if t.c.read != len(words) {
		t.c.read, l.moved = len(words), true
	}
	l.moved = t.c.readLives(words) || l.moved
	adds := l.m.adds(t.c)
	l.look = w.open(number, adds && err == nil, &t.c.schema, l.loadedAt)
	defer l.look.close(since)
	if adds && t.c.loaded {
		l.add(t.c, words)
	}
}

// load reads the source's values, and if that fails gives the last good ones.
func (l *lane) load(src Source, c *compiled) (words []uint64, err error) {
	if err = c.unreadable; err == nil {
		l.scratch = grow(l.scratch, c.schema.Words)
		err = src.Load(l.scratch)
	}
	keeper, ok := src.(Keeper)
	switch kept := ok && !l.m.folding && keeper.Keeps(); {
	case err == nil && kept:
		c.loaded = true
		return l.scratch, nil
	case err == nil:
		c.words, l.scratch, c.loaded = l.scratch, c.words, true
		return c.words, nil
	case kept && c.loaded:
		l.scratch = grow(l.scratch, c.read)
		if again := keeper.LoadKept(l.scratch); again != nil {
			return nil, err
		}
		return l.scratch, err
	default:
		return c.words, err
	}
}

func grow(words []uint64, n int) []uint64 {
	if cap(words) < n {
		return make([]uint64, n)
	}
	return words[:n]
}

// add adds a source's values to the totals.
func (l *lane) add(c *compiled, words []uint64) {
	if len(words) < c.schema.Words || l.m.forgets[c.meta.ID] != nil {
		for i := range c.program.targets {
			l.addOne(c, int32(i), words)
		}
		return
	}
	p, t := c.program, l.totals
	for _, g := range p.parts {
		steps := p.steps[g.from:g.to]
		switch g.what {
		case stepCounters, stepUntyped:
			l.invalid += t.addCounters(steps, words)
		case stepHistograms:
			t.addHistograms(steps, words)
		default:
			l.addSteps(c, steps, words)
		}
	}
}

// addSteps adds what there is less of.
func (l *lane) addSteps(c *compiled, steps []step, words []uint64) {
	for i := range steps {
		switch st, t := &steps[i], l.totals; st.what {
		case stepScattered:
			t.addScattered(st, words, c.program.scatter[st.series])
		case stepSummaries:
			t.addSummaries(st, words)
		case stepGaugeSums:
			t.addGaugeSums(st, words)
		case stepGauges:
			t.addGauges(st, words)
		case stepSingle:
			l.addOne(c, st.series, words)
		}
	}
}

// addOne adds one series by the long way: what of it was forgotten, or deleted, does
// not count, and its gauge may have a time.
func (l *lane) addOne(c *compiled, i int32, words []uint64) {
	from, s := &c.schema.Series[i], c.program.targets[i]
	if s == nil || s.family.mode.Live() && c.meta.dead() {
		return
	}
	n := c.schema.Families[from.Family].WordCount(c.schema.SumWords)
	if from.Word+n > len(words) {
		return
	}
	words = words[from.Word : from.Word+n]
	life, forgot := c.lifeOf(int(i)), l.m.forgets[c.meta.ID][int(i)]
	switch {
	case forgot != nil && forgot.Generation >= life.generation:
		// this life has left the exposition
	case c.history == nil && life.isDeleted() && !s.family.typ.Cumulative():
		// a deleted gauge has no share to keep
	case c.history != nil && c.history.Series[i].Newest == 0 && !s.family.typ.Cumulative():
		// the same, in an archive
	case forgot != nil && len(forgot.Words) == len(words):
		l.addBeyond(c, i, words, forgot.Words)
	default:
		l.addSingle(c, i, words)
	}
}

// addSingle adds one series, whose words these are.
func (l *lane) addSingle(c *compiled, i int32, words []uint64) {
	from, s := &c.schema.Series[i], c.program.targets[i]
	st := c.program.stepOf(i)
	st.word = 0
	switch t := l.totals; st.what {
	case stepCounters, stepUntyped:
		l.invalid += t.addCounters([]step{st}, words)
	case stepHistograms:
		t.addHistograms([]step{st}, words)
	case stepScattered:
		t.addScattered(&st, words, s.bucketIndexes(c.schema.Families[from.Family].Bounds))
	case stepSummaries:
		t.addSummaries(&st, words)
	case stepGaugeSums:
		t.addGaugeSums(&st, words)
	default:
		l.addGauge(c, from, s, words)
	}
}

// addBeyond adds what the cells hold beyond a share that was forgotten. Cells of
// cumulative series only grow; where they did not, somebody else wrote to them,
// and the share is what there is.
func (l *lane) addBeyond(c *compiled, i int32, words, forgotten []uint64) {
	s := c.program.targets[i]
	typ, sums := s.family.typ, c.schema.SumWords
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
	l.addSingle(c, i, beyond)
	for i := first; i < first+sums; i++ {
		is, was := math.Float64frombits(words[i]), math.Float64frombits(forgotten[i])
		if !finite(is) || !finite(was) || typ == mmapstore.Counter && sums == 1 && (was < 0 || is < was) {
			continue // was not added, or cannot be what it was
		}
		l.totals.sums[s.place.sum].add(-was)
	}
}

func (l *lane) addGauge(c *compiled, from *mmapstore.Series, s *series, words []uint64) {
	mode, g := s.family.mode, gaugeOf(words)
	switch {
	case mode.PerProcess():
		g.at, g.live = cmp.Or(from.Created, c.meta.Created), !c.meta.dead()
	case len(words) <= 2:
	case c.meta.Delayed:
		g.at = min(int64(words[2]), l.loadedAt)
		g.noted = g.at
	case g.set:
		stored := int64(words[2])
		g.at = l.look.set(from.Word, stored)
		g.noted = min(stored, g.at) // no clock may claim more of the future than another
	default:
		l.look.unset(from.Word)
	}
	to := &l.totals.gauges[s.place.gauge]
	if !summed(mode) {
		to.fold(mode, g)
		return
	}
	to.present, to.set = true, to.set || g.set
	l.totals.sums[s.place.sum].add(g.value)
}
