package aggregate

import (
	"cmp"
	"slices"
	"strings"

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
	order  []*series // of series, sorted when sorted is set
	sorted bool
	// observed is the union of the bounds of sources that know only a part of
	// theirs, nil if there are none. It only grows, up to maxObserved.
	observed []float64
	// spelling is how the sources write the bounds of buckets.
	spelling spelling
	// mixed and ambiguous: some series is, as of the last sweep.
	mixed, ambiguous bool
	// odd: some series is or was.
	odd bool
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

// at returns the series of the label set, making it.
func (v *variant) at(labels mmapstore.Labels) *series {
	s, ok := v.series[labels]
	if !ok {
		s = &series{labels: labels, family: v, odd: !plainLabels(labels)}
		v.series[labels] = s
		v.odd = v.odd || s.odd
		v.order = append(v.order, s)
		v.sorted = false
	}
	return s
}

// sweep drops the series to which no source contributed in this merge, and puts
// the rest in order.
func (v *variant) sweep(stamp uint64) {
	v.mixed, v.ambiguous = false, false
	before := len(v.order)
	v.order = slices.DeleteFunc(v.order, func(s *series) bool {
		if s.stamp == stamp {
			v.mixed = v.mixed || s.mixed
			return false
		}
		delete(v.series, s.labels)
		return true
	})
	known := v.sorted && len(v.order) == before
	if !v.sorted {
		slices.SortFunc(v.order, func(a, b *series) int { return compareLabels(a.labels, b.labels) })
		v.sorted = true
	}
	if v.odd {
		v.ambiguous = v.disambiguate(known)
	}
}

// compareLabels orders label sets as a reader of the exposition would: by the
// first name, then its value, and so on.
func compareLabels(a, b mmapstore.Labels) int {
	pa, pb := a.Pairs(), b.Pairs()
	return slices.CompareFunc(pa, pb, func(a, b mmapstore.Label) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
}
