package aggregate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Merger merges sources into metric families, again and again: what it learned
// of a source (its series, its last good values) it keeps for as long as the
// source takes part. Merges may be asked for by many goroutines; they run one
// at a time.
type Merger struct {
	now func() time.Time

	// mu guards everything below for the length of a merge.
	mu       sync.Mutex
	folding  bool // see Fold: every variant keeps to itself
	groups   map[string]*group
	sources  map[sourceKey]*compiled
	merge    uint64 // number of the present merge
	began    int64  // when it began, Unix nanoseconds
	loadedAt int64  // when the present source was loaded, the same
	look     look   // at the present source
	epoch    uint64 // changes when some group shows another variant
	scratch  []uint64
	invalid  int                 // values of this merge that no law can take
	failed   map[sourceKey]error // sources of this merge that could not be read
	forgets  map[mmapstore.ID]map[int]*Forgotten
	folds    map[sourceKey]bool // folding: whose values are folded
}

// NewMerger makes a merger. now gives the time of day; nil means time.Now.
func NewMerger(now func() time.Time) *Merger {
	if now == nil {
		now = time.Now
	}
	return &Merger{
		now:     now,
		groups:  make(map[string]*group),
		sources: make(map[sourceKey]*compiled),
	}
}

// Merge merges the sources. It always returns a result of what could be read;
// the error joins what could not, each naming its source. A source that fails
// now counts with its last good values. Sources that are no longer given are
// forgotten.
func (m *Merger) Merge(sources []Source) (*Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accumulate(sources)
	return m.result(), errors.Join(slices.Collect(maps.Values(m.failed))...)
}

func (m *Merger) accumulate(sources []Source) {
	m.merge++
	m.began = m.now().UnixNano()
	m.invalid = 0
	taking := m.compile(sources)
	m.reset()
	m.collectForgets(taking)
	m.failed = nil
	m.loadedAt = m.began
	for _, t := range taking {
		m.take(t)
	}
	m.foldLosers()
	m.sweep()
}

// take reads the values of a source and adds them.
func (m *Merger) take(t part) {
	w, since := t.c.witness, m.loadedAt
	number := w.begin()
	err := m.load(t.src, t.c)
	if err != nil {
		m.fail(t.c, err)
	}
	m.loadedAt = m.now().UnixNano()
	t.c.readLives()
	adds := !m.folding || m.folds[t.c.key()]
	m.look = w.open(number, adds && err == nil, &t.c.schema, m.loadedAt)
	defer m.look.close(since)
	m.add(t.c)
}

func (m *Merger) fail(c *compiled, err error) {
	if m.failed == nil {
		m.failed = make(map[sourceKey]error)
	}
	m.failed[c.key()] = fmt.Errorf("read %s: %w", c.meta.Name, err)
}

// part is a source that takes part in a merge, and what is known of it.
type part struct {
	src Source
	c   *compiled
}

// compile brings what is known of the sources up to date.
func (m *Merger) compile(sources []Source) []part {
	taking := make([]part, 0, len(sources))
	stale := false // some group's births must be looked at again
	gone := false  // some source left, or laid out its series anew
	for _, src := range sources {
		meta := src.Meta()
		key := keyOf(src)
		c, ok := m.sources[key]
		if !ok {
			c = &compiled{epoch: m.epoch, history: src.History(), witness: meta.Witness}
			if c.witness == nil {
				c.witness = new(Witness)
			}
			m.sources[key] = c
		} else if c.stamp == m.merge {
			continue // one source under two names counts once
		}
		if ok && c.meta.dead() != meta.dead() {
			c.targets = c.targets[:0]
		}
		c.meta, c.stamp = meta, m.merge
		gone = m.takeSchema(src, c) || gone
		stale = m.resolve(c) || stale
		taking = append(taking, part{src, c})
	}
	gone = m.dropSources() || gone
	if gone {
		m.recountBirths()
	}
	if stale || gone {
		m.pickShown()
	}
	for _, t := range taking {
		m.retarget(t.c)
	}
	m.completeBounds()
	return taking
}

// takeSchema brings the schema of the source up to date. Another one than that whose
// values are known is good for something only if its own values can be read:
// otherwise the source goes on with what it had.
func (m *Merger) takeSchema(src Source, c *compiled) (anew bool) {
	schema := src.Schema()
	c.unreadable = nil
	if c.loaded && !continues(&c.schema, &schema) {
		m.scratch = grow(m.scratch, schema.Words)
		if c.unreadable = src.Load(m.scratch); c.unreadable != nil {
			return false
		}
	}
	return c.take(schema)
}

// completeBounds gives every histogram of a family the buckets that its sources
// have observed so far in any of its series: sums over series need them all. If
// that would multiply what the sources have, each series keeps to its own.
func (m *Merger) completeBounds() {
	for _, g := range m.groups {
		for _, v := range g.variants {
			if v.observed == nil || !mmapstore.MayUnite(len(v.observed), len(v.order)) {
				continue
			}
			for _, s := range v.order {
				if s.observed != len(v.observed) {
					s.observed = len(v.observed)
					s.extend(v.observed)
				}
			}
		}
	}
}

func (m *Merger) group(name string) *group {
	g, ok := m.groups[name]
	if !ok {
		g = &group{name: name}
		m.groups[name] = g
	}
	return g
}

func (m *Merger) dropSources() (dropped bool) {
	for key, c := range m.sources {
		if c.stamp != m.merge {
			delete(m.sources, key)
			dropped = true
		}
	}
	return dropped
}

// recountBirths finds out anew whose description of a family is the newest, and
// drops the variants that nobody has any more.
func (m *Merger) recountBirths() {
	for _, g := range m.groups {
		for _, v := range g.variants {
			v.newest, v.help, v.unit = unborn, "", ""
			v.spelling = spelling{}
		}
	}
	for _, c := range m.sources {
		for i, v := range c.families {
			if v != nil {
				v.describe(&c.schema.Families[i], c.born(i))
				v.spelling.vote(&c.schema.Families[i])
			}
		}
	}
	for name, g := range m.groups {
		g.variants = slices.DeleteFunc(g.variants, func(v *variant) bool { return v.newest == unborn })
		if len(g.variants) == 0 {
			delete(m.groups, name)
		}
	}
}

// unborn is the birth of a variant that no source has.
const unborn = -1 << 63

// pickShown chooses the variants to show. If a choice changed, every source must
// be targeted anew.
func (m *Merger) pickShown() {
	changed := false
	for _, g := range m.groups {
		changed = g.pick() || changed
	}
	if changed {
		m.epoch++
	}
}

func (m *Merger) reset() {
	for _, g := range m.groups {
		for _, v := range g.variants {
			for _, s := range v.order {
				s.reset()
			}
		}
	}
}

func (m *Merger) sweep() {
	for _, g := range m.groups {
		for _, v := range g.variants {
			v.sweep(m.merge)
		}
	}
}

// collectForgets indexes what the archives say was forgotten. Two archives, or
// two of their entries, may speak of one series: the later life counts.
func (m *Merger) collectForgets(taking []part) {
	m.forgets = nil
	for _, t := range taking {
		if t.c.history == nil {
			continue
		}
		for id, entries := range t.c.history.Forgotten {
			for i := range entries {
				m.forget(id, &entries[i])
			}
		}
	}
}

func (m *Merger) forget(id mmapstore.ID, f *Forgotten) {
	if m.forgets == nil {
		m.forgets = make(map[mmapstore.ID]map[int]*Forgotten)
	}
	if m.forgets[id] == nil {
		m.forgets[id] = make(map[int]*Forgotten)
	}
	if old := m.forgets[id][f.Series]; old == nil || old.Generation < f.Generation {
		m.forgets[id][f.Series] = f
	}
}

// sortedGroups is the groups by name, for output.
func (m *Merger) sortedGroups() []*group {
	return slices.SortedFunc(maps.Values(m.groups), func(a, b *group) int { return cmp.Compare(a.name, b.name) })
}
