package aggregate

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
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

	// mu guards everything below for the length of a merge, in which lanes share it.
	mu        sync.Mutex
	folding   bool // see Fold: every variant keeps to itself
	groups    map[string]*group
	sources   map[sourceKey]*compiled
	taking    []part
	merge     uint64 // number of the present merge
	began     int64  // when it began, Unix nanoseconds
	epoch     uint64 // changes when some group shows another variant
	placed    uint64 // changes when series that had a place get another
	programs  map[programKey]*program
	neighbour *program // made last
	lanes     []*lane
	worthLane int // how many values are worth a lane of their own; lower in tests
	totals    totals
	wasted    int // accumulators of series that are gone, or have others
	invalid   int // values of this merge that no law can take
	forgets   map[mmapstore.ID]map[int]*Forgotten
	folds     map[sourceKey]bool // folding: whose values are folded; nil: all
	outline   outline            // of the last result
}

// NewMerger makes a merger. now gives the time of day, to several goroutines; nil
// means time.Now.
func NewMerger(now func() time.Time) *Merger {
	if now == nil {
		now = time.Now
	}
	return &Merger{
		now:       now,
		groups:    make(map[string]*group),
		sources:   make(map[sourceKey]*compiled),
		programs:  make(map[programKey]*program),
		worthLane: worthLane,
	}
}

// Merge merges the sources. It always returns a result of what could be read;
// the error joins what could not, each naming its source. A source that fails
// now counts with its last good values. Sources that are no longer given are
// forgotten.
func (m *Merger) Merge(sources []Source) (*Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := m.accumulate(sources)
	r := m.result(changed)
	var errs []error
	for _, u := range r.Unread {
		errs = append(errs, fmt.Errorf("read %s: %w", sources[u.Source].Meta().Name, u.Err))
	}
	return r, errors.Join(errs...)
}

// accumulate reports whether anything but values is otherwise than in the last merge.
func (m *Merger) accumulate(sources []Source) (changed bool) {
	m.merge++
	m.began = m.now().UnixNano()
	m.invalid = 0
	changed = m.compile(sources)
	if changed {
		m.collectForgets()
	}
	changed = m.read(m.taking) || changed || m.torn()
	if changed {
		m.gatherLives(m.taking)
		m.foldLosers()
		m.sweep()
	}
	return changed
}

// adds reports whether the values of the source are wanted.
func (m *Merger) adds(c *compiled) bool { return !m.folding || m.recording() || m.folds[c.key()] }

// recording: see Recorder.
func (m *Merger) recording() bool { return m.folding && m.folds == nil }

// torn reports whether sources disagree about a family. What its losers left depends
// on their values.
func (m *Merger) torn() bool {
	for _, g := range m.groups {
		if len(g.variants) > 1 {
			return true
		}
	}
	return false
}

// part is a source that takes part in a merge, and what is known of it.
type part struct {
	src   Source
	c     *compiled
	index int // among the sources
}

// compile brings what is known of the sources up to date, and reports whether that is
// otherwise than in the last merge.
func (m *Merger) compile(sources []Source) (changed bool) {
	m.taking = m.taking[:0]
	stale := false // some group's births must be looked at again
	gone := false  // some source left, laid out its series anew, or has families of other births
	for i, src := range sources {
		meta, history := src.Meta(), src.History()
		key := keyOf(&meta, history)
		c, ok := m.sources[key]
		if !ok {
			c = &compiled{witness: meta.Witness}
			if c.witness == nil {
				c.witness = new(Witness)
			}
			m.sources[key] = c
		} else if c.stamp == m.merge {
			continue // one source under two names counts once
		}
		c.meta, c.stamp = meta, m.merge
		gone = c.takeHistory(history) || gone
		gone = m.takeSchema(src, c) || gone
		stale = m.resolve(c) || stale
		m.taking = append(m.taking, part{src, c, i})
	}
	gone = m.dropSources() || gone
	if gone {
		m.recountBirths()
	}
	if stale || gone {
		m.pickShown()
	}
	changed = gone || stale
	for _, t := range m.taking {
		changed = m.plan(t.c) || changed
	}
	m.dropPrograms()
	changed = m.completeBounds() || changed
	if m.wasted > len(m.totals.counts)/2+1<<10 {
		m.placeAnew()
	}
	m.placeSteps(m.taking)
	return changed
}

// takeSchema brings the schema of the source up to date. Another one than that whose
// values are known is good for something only if its own values can be read:
// otherwise the source goes on with what it had.
func (m *Merger) takeSchema(src Source, c *compiled) (anew bool) {
	schema := src.Schema()
	c.unreadable = nil
	if c.loaded && !continues(&c.schema, &schema) {
		if c.unreadable = src.Load(make([]uint64, schema.Words)); c.unreadable != nil {
			return false
		}
	}
	return c.take(schema)
}

// completeBounds gives every histogram of a family the buckets that its sources
// have observed so far in any of its series: sums over series need them all. If
// that would multiply what the sources have, each series keeps to its own. It reports
// whether a series has more buckets than before.
func (m *Merger) completeBounds() (changed bool) {
	for v := range m.variants() {
		if v.observed == nil || !mmapstore.MayUnite(len(v.observed), len(v.order)) {
			continue
		}
		for _, s := range v.order {
			if s.observed != len(v.observed) {
				s.observed = len(v.observed)
				changed = m.extend(s, v.observed) || changed
			}
		}
	}
	return changed
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
	for v := range m.variants() {
		v.newest, v.help, v.unit = unborn, "", ""
		v.spelling = spelling{}
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
		g.variants = slices.DeleteFunc(g.variants, func(v *variant) bool {
			if v.newest != unborn {
				return false
			}
			for _, s := range v.order {
				m.wasted += s.accumulators()
			}
			return true
		})
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

func (m *Merger) sweep() {
	for v := range m.variants() {
		m.wasted += v.sweep(m.merge)
	}
}

// variants are those of all groups.
func (m *Merger) variants() iter.Seq[*variant] {
	return func(yield func(*variant) bool) {
		for _, g := range m.groups {
			for _, v := range g.variants {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// collectForgets indexes what the archives say was forgotten. Two archives, or
// two of their entries, may speak of one series: the later life counts.
func (m *Merger) collectForgets() {
	m.forgets = nil
	for _, t := range m.taking {
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
