package aggregate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
)

// group is all that goes by one family name. Normally it has one variant; more
// are a conflict, of which one variant is shown.
type group struct {
	name     string
	variants []*variant
	shown    *variant
}

// variant is a family as some of the sources see it.
type variant struct {
	name string
	typ  mmapstore.Type
	mode mmapstore.Mode

	// newest is the latest birth of a source that has the variant; help and
	// unit are that source's.
	newest     int64
	help, unit string

	series map[mmapstore.Labels]*series
	order  []*series // of series
	sorted int       // the first so many are in order of their labels
	// observed is the union of the bounds of sources that know only a part of
	// theirs, nil if there are none. It only grows, up to maxObserved.
	observed []float64
	// spelling is how the sources write the bounds of buckets.
	spelling spelling
	// mixed and ambiguous: some series is, as of the last sweep.
	mixed, ambiguous bool
	// odd: some series is or was.
	odd bool
	// exposed is the family as it was shown last.
	exposed *exposition.Family
}

// pick chooses the variant that is shown: the newest, ties by the text of type
// and mode. It reports whether another one was shown before.
func (g *group) pick() bool {
	best := slices.MaxFunc(g.variants, func(a, b *variant) int {
		return cmp.Or(cmp.Compare(a.newest, b.newest),
			strings.Compare(a.typ.String(), b.typ.String()),
			strings.Compare(a.mode.String(), b.mode.String()))
	})
	changed := g.shown != nil && g.shown != best
	g.shown = best
	return changed
}

// find returns the variant of the group with the type and mode, making it.
func (g *group) find(f *mmapstore.Family) *variant {
	for _, v := range g.variants {
		if v.typ == f.Type && v.mode == f.Mode {
			return v
		}
	}
	v := &variant{name: f.Name, typ: f.Type, mode: f.Mode, newest: unborn, series: make(map[mmapstore.Labels]*series)}
	g.variants = append(g.variants, v)
	return v
}

// describe lets a source of the given birth describe the family.
func (v *variant) describe(f *mmapstore.Family, born int64) {
	if born > v.newest || born == v.newest && (f.Help > v.help || f.Help == v.help && f.Unit > v.unit) {
		v.newest, v.help, v.unit = born, f.Help, f.Unit
	}
}

// maxObserved bounds the union of what partial sources have observed: every series
// gets it. No application has that many; bounds beyond it stay with the series
// that have them.
const maxObserved = 512

// observe takes the bounds of a source that knows only a part of them.
func (v *variant) observe(bounds []float64) {
	if v.observed == nil {
		v.observed = []float64{}
	}
	if all := union(v.observed, bounds); len(all) <= maxObserved {
		v.observed = all
	}
}

// at returns the series of the label set, making it; a histogram with the bounds. It
// has no place yet.
func (v *variant) at(labels mmapstore.Labels, bounds []float64) *series {
	s, ok := v.series[labels]
	if !ok {
		s = &series{labels: labels, family: v, odd: !plainLabels(labels), bounds: bounds}
		v.series[labels] = s
		v.odd = v.odd || s.odd
		v.order = append(v.order, s)
	}
	return s
}

// sweep drops the series to which no source contributed in the merge of the stamp,
// and puts the rest in order. It returns how many accumulators are without a use now.
func (v *variant) sweep(stamp uint64) (wasted int) {
	v.mixed, v.ambiguous = false, false
	before, sorted := len(v.order), 0
	kept := v.order[:0]
	for i, s := range v.order {
		if s.stamp != stamp {
			delete(v.series, s.labels)
			wasted += s.accumulators()
			continue
		}
		v.mixed = v.mixed || s.mixed
		kept = append(kept, s)
		if i < v.sorted {
			sorted = len(kept)
		}
	}
	clear(v.order[len(kept):])
	v.order = kept
	known := v.sorted == before && len(kept) == before
	v.order = sortTail(v.order, sorted)
	v.sorted = len(v.order)
	if v.odd {
		v.ambiguous = v.disambiguate(known)
	}
	return wasted
}

// sortTail sorts series of which the first ones are in order already.
func sortTail(all []*series, sorted int) []*series {
	byLabels := func(a, b *series) int { return compareLabels(a.labels, b.labels) }
	slices.SortFunc(all[sorted:], byLabels)
	if sorted == 0 || sorted == len(all) || byLabels(all[sorted-1], all[sorted]) < 0 {
		return all
	}
	merged := make([]*series, 0, len(all))
	head, tail := all[:sorted], all[sorted:]
	for len(head) > 0 && len(tail) > 0 {
		first := &head
		if byLabels(tail[0], head[0]) < 0 {
			first = &tail
		}
		merged = append(merged, (*first)[0])
		*first = (*first)[1:]
	}
	return append(append(merged, head...), tail...)
}

// compareLabels orders label sets as a reader of the exposition would: by the
// first name, then its value, and so on.
func compareLabels(a, b mmapstore.Labels) int {
	for len(a) > 0 && len(b) > 0 {
		var x, y string
		x, a = a.Cut()
		y, b = b.Cut()
		if x != y {
			return strings.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}
