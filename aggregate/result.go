package aggregate

import (
	"maps"
	"math"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
)

// Result is one merge. Goroutines may share it, but not change it.
type Result struct {
	// Families, sorted by name, their series sorted by labels.
	Families []Family
	// Series is the number of series in Families.
	Series int
	// Conflicts names the families about which sources disagree.
	Conflicts []Conflict
	// Unread are the sources that could not be read.
	Unread []Unread
	// Invalid is the number of values that were left out because no process
	// can have counted them: negative or non-finite counters.
	Invalid int
}

// Unread is a source that could not be read, and counts with its last good values.
type Unread struct {
	Source int // its index
	Err    error
}

// Family is a family as it is from merge to merge, and its values in one of them.
type Family struct {
	*exposition.Family
	Values []uint64
}

// Metric is the family as client_golang's gatherers have it.
func (f Family) Metric() *dto.MetricFamily { return f.DTO(f.Values) }

// Metrics are the families as client_golang's gatherers have them.
func (r *Result) Metrics() []*dto.MetricFamily {
	all := make([]*dto.MetricFamily, len(r.Families))
	for i, f := range r.Families {
		all[i] = f.Metric()
	}
	return all
}

// outline is what a result has from merge to merge, as long as no series comes or
// goes.
type outline struct {
	families  []exposed
	conflicts []Conflict
	series    int
	words     int
}

// exposed is a family of the outline.
type exposed struct {
	family  *exposition.Family
	variant *variant
	series  []*series
}

func (m *Merger) result(changed bool) *Result {
	if changed || m.unveiled() {
		m.outline = m.sketch()
	}
	o := &m.outline
	r := &Result{
		Families: make([]Family, len(o.families)), Series: o.series,
		Conflicts: slices.Clone(o.conflicts), Unread: m.unread(), Invalid: m.invalid,
	}
	values := make([]uint64, 0, o.words)
	for i := range o.families {
		f := &o.families[i]
		begin := len(values)
		for _, s := range f.series {
			values = m.expose(values, s)
		}
		r.Families[i] = Family{f.family, values[begin:len(values):len(values)]}
	}
	return r
}

func (m *Merger) unread() (all []Unread) {
	for _, t := range m.taking {
		if t.c.failed != nil {
			all = append(all, Unread{t.index, t.c.failed})
		}
	}
	return all
}

// unveiled reports whether a gauge is to be seen that was not, or the other way round,
// though nothing but values changed: somebody has set it.
func (m *Merger) unveiled() bool {
	for _, g := range m.groups {
		if g.shown.typ.Cumulative() {
			continue
		}
		for _, s := range g.shown.order {
			if s.seen != m.visible(s) {
				return true
			}
		}
	}
	return false
}

// sketch makes the outline anew.
func (m *Merger) sketch() outline {
	groups := m.sortedGroups()
	for _, g := range groups {
		for _, s := range g.shown.order {
			if s.seen = m.visible(s); s.seen {
				s.shown.begin(s.life.createdTime(), m.began)
			} else {
				s.shown = shown{} // when it returns it may start from zero
			}
		}
	}
	o := outline{conflicts: conflicts(groups)}
	clashing := clashes(groups)
	for _, g := range groups {
		switch {
		case clashing[g]:
			o.conflicts = append(o.conflicts, Conflict{g.name, NameConflict})
		default:
			o.add(g.shown)
		}
	}
	return o
}

// add adds a family, if there is a series of it to be seen.
func (o *outline) add(v *variant) {
	e := exposed{variant: v}
	for _, s := range v.order {
		if s.seen {
			e.series = append(e.series, s)
		}
	}
	if len(e.series) == 0 {
		return
	}
	e.family = v.expose(e.series)
	o.families = append(o.families, e)
	o.series += len(e.series)
	o.words += e.family.Words()
}

// expose is the family with the series, the same as the last time if it is: lines are
// rendered for each but once.
func (v *variant) expose(all []*series) *exposition.Family {
	f := &exposition.Family{
		Name: v.name, Help: v.help, Unit: v.unit, Type: dtoType(v.typ), Spelling: v.spelling.differing(),
		Series: make([]exposition.Series, len(all)),
	}
	for i, s := range all {
		f.Series[i] = exposition.Series{Labels: s.labels, Bounds: s.bounds, Created: s.createdTimestamp()}
	}
	if v.exposed == nil || !equalFamilies(f, v.exposed) {
		v.exposed = f
	}
	return v.exposed
}

func equalFamilies(a, b *exposition.Family) bool {
	return a.Name == b.Name && a.Help == b.Help && a.Unit == b.Unit && a.Type == b.Type && maps.Equal(a.Spelling, b.Spelling) &&
		slices.EqualFunc(a.Series, b.Series, func(a, b exposition.Series) bool {
			return a.Labels == b.Labels && a.Created == b.Created && slices.Equal(a.Bounds, b.Bounds)
		})
}

func dtoType(t mmapstore.Type) dto.MetricType {
	switch t {
	case mmapstore.Counter:
		return dto.MetricType_COUNTER
	case mmapstore.Histogram:
		return dto.MetricType_HISTOGRAM
	case mmapstore.Summary:
		return dto.MetricType_SUMMARY
	case mmapstore.Untyped:
		return dto.MetricType_UNTYPED
	default: // the exposition formats know info and stateset as gauges
		return dto.MetricType_GAUGE
	}
}

// visible reports whether the series is to be seen now.
func (m *Merger) visible(s *series) bool {
	if s.life.contributors == 0 || s.life.hidden() || s.ambiguous {
		return false
	}
	if s.family.typ.Cumulative() {
		return true
	}
	_, ok := m.gauge(s)
	return ok
}

// expose appends the values of a series that is to be seen: see exposition.Family.
func (m *Merger) expose(values []uint64, s *series) []uint64 {
	s.shown.begin(s.life.createdTime(), m.began)
	p, t := s.place, &m.totals
	switch s.family.typ {
	case mmapstore.Counter:
		return append(values, math.Float64bits(s.shown.holdValue(t.counter(p))))
	case mmapstore.Untyped:
		return append(values, math.Float64bits(t.counter(p)))
	case mmapstore.Histogram:
		begin, total := len(values), uint64(0)
		for _, n := range t.buckets(s) {
			total = addCapped(total, n)
			values = append(values, total)
		}
		s.shown.holdBuckets(values[begin:])
		return append(values, math.Float64bits(s.shown.holdSum(t.sums[p.sum].value())))
	case mmapstore.Summary:
		count := s.shown.holdCount(t.counts[p.count]) // which says whether a source was lost
		return append(values, math.Float64bits(s.shown.holdSum(t.sums[p.sum].value())), count)
	default:
		v, _ := m.gauge(s)
		return append(values, math.Float64bits(v))
	}
}

// gauge reports false where no process has set the gauge, and the mode
// takes only those that did.
func (m *Merger) gauge(s *series) (value float64, ok bool) {
	g := &m.totals.gauges[s.place.gauge]
	switch mode := s.family.mode; {
	case summed(mode):
		return m.totals.sums[s.place.sum].value(), g.present
	case mode.PerProcess():
		return g.value, g.present
	default:
		return g.value, g.set
	}
}

// createdTimestamp is when the series began, 0 where that is not known.
func (s *series) createdTimestamp() int64 {
	at := s.life.createdTime()
	if at == s.shown.early {
		return 0 // told later, it would look like a reset to Prometheus
	}
	return at
}
