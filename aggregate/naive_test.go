package aggregate_test

import (
	"math"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// The naive model of a merge: everything that any process ever did, in a flat
// list. It knows no archive, no vectors and no accumulators; laws are written
// down a second time, as one would say them.

// share is what one process did in one series.
type share struct {
	owner     *fake
	family    mmapstore.Family
	labels    string
	number    int // of the series in the owner
	born      int64
	first     int64 // born for the first time
	showing   bool
	deletedAt int64

	counted   []float64 // counter, untyped: one; histogram, summary: sum, then counts
	forgotten []float64
	set       bool
	value     float64
	setAt     int64
}

func (s *share) live() bool { return s.owner.meta.State != mmapstore.Dead }

// net is what still counts of a cumulative share.
func (s *share) net(i int) float64 { return s.counted[i] - s.forgotten[i] }

// naive is all shares, in order of their making.
type naive struct{ shares []*share }

// ruling is the family of the youngest process that has the name.
func (n *naive) ruling(name string) (ruling mmapstore.Family) {
	newest := int64(-1)
	for _, s := range n.shares {
		if s.family.Name == name && s.owner.meta.Created > newest {
			newest, ruling = s.owner.meta.Created, s.family
		}
	}
	return ruling
}

// hidden: deleted, shown by no live process, and not begun anew by a dead one.
func hidden(shares []*share) bool {
	var deleted, newest int64
	for _, s := range shares {
		if s.family.Mode.Live() && !s.live() {
			continue // no say in anything
		}
		deleted = max(deleted, s.deletedAt)
		if s.showing && s.live() {
			return false
		}
		if s.showing {
			newest = max(newest, s.born)
		}
	}
	return deleted > 0 && newest <= deleted
}

// series are the shares by what must become one series: name, labels and, in
// the per-process modes, identity.
func (n *naive) series() map[string][]*share {
	by := map[string][]*share{}
	for _, s := range n.shares {
		ruling := n.ruling(s.family.Name)
		if ruling.Type != s.family.Type {
			continue
		}
		mode := s.family.Mode
		if s.live() {
			mode = ruling.Mode
		}
		key := s.family.Name + "{" + s.labels
		if ruling.Mode.PerProcess() {
			if !mode.PerProcess() {
				continue // what the dead left is no process
			}
			key += "@" + s.owner.meta.Identity
		} else if mode.PerProcess() && !s.live() {
			continue
		}
		by[key] = append(by[key], s)
	}
	return by
}

// fold is what an archive's commit means: hidden series start from nothing, of
// the types that are not shown as well.
func (n *naive) fold() {
	by := map[string][]*share{}
	for _, s := range n.shares {
		key := s.family.Name + s.family.Type.String() + "{" + s.labels
		if s.family.Mode.PerProcess() {
			key += "@" + s.owner.meta.Identity
		}
		by[key] = append(by[key], s)
	}
	for _, shares := range by {
		if !hidden(shares) {
			continue
		}
		for _, s := range shares {
			s.showing, s.deletedAt, s.set = false, 0, false
			copy(s.forgotten, s.counted)
		}
	}
}

// exposed is every sample that must be there.
func (n *naive) exposed() map[string]float64 {
	out := map[string]float64{}
	for key, shares := range n.series() {
		shares = slices.DeleteFunc(slices.Clone(shares), func(s *share) bool { return !s.showing && s.deletedAt == 0 })
		if len(shares) == 0 || hidden(shares) {
			continue
		}
		ruling := n.ruling(shares[0].family.Name)
		switch ruling.Type {
		case mmapstore.Counter, mmapstore.Untyped:
			out[key] = total(shares, 0)
		case mmapstore.Summary:
			out[key+" sum"], out[key+" count"] = total(shares, 0), total(shares, 1)
		case mmapstore.Histogram:
			out[key+" sum"] = total(shares, 0)
			exposeBuckets(out, key, shares)
		default:
			if v, ok := gaugeOf(ruling.Mode, shares); ok {
				out[key] = v
			}
		}
	}
	return out
}

func total(shares []*share, i int) (t float64) {
	for _, s := range shares {
		t += s.net(i)
	}
	return t
}

// exposeBuckets: at each bound, all that is known to be at or below it.
func exposeBuckets(out map[string]float64, key string, shares []*share) {
	bounds := []float64{math.Inf(1)}
	for _, s := range shares {
		bounds = append(bounds, s.family.Bounds...)
	}
	for _, bound := range bounds {
		out[bucketKey(key, bound)] = atMost(shares, bound)
	}
}

func atMost(shares []*share, bound float64) (n float64) {
	for _, s := range shares {
		for i, upper := range append(slices.Clone(s.family.Bounds), math.Inf(1)) {
			if upper <= bound {
				n += s.net(1 + i)
			}
		}
	}
	return n
}

// gaugeOf: the living by the ruling mode; the dead first by their own, where
// it differs.
func gaugeOf(ruling mmapstore.Mode, shares []*share) (float64, bool) {
	var take []*share
	losers := map[mmapstore.Mode][]*share{}
	for _, s := range shares {
		switch {
		case !s.showing || !s.live() && (ruling.Live() || s.family.Mode.Live()):
		case s.live() || s.family.Mode == ruling:
			take = append(take, s)
		case !s.family.Mode.PerProcess():
			losers[s.family.Mode] = append(losers[s.family.Mode], s)
		}
	}
	for mode, dead := range losers {
		if v, ok := choose(mode, dead); ok {
			set := slices.ContainsFunc(dead, func(s *share) bool { return s.set })
			take = append(take, &share{owner: dead[0].owner, set: set, value: v})
		}
	}
	return choose(ruling, take)
}

func choose(mode mmapstore.Mode, shares []*share) (v float64, ok bool) {
	switch mode {
	case mmapstore.Sum, mmapstore.LiveSum:
		for _, s := range shares {
			if s.set {
				v += s.value
			}
		}
		return v, len(shares) > 0
	case mmapstore.All, mmapstore.LiveAll:
		slices.SortFunc(shares, func(a, b *share) int {
			if a.live() != b.live() {
				return map[bool]int{true: -1, false: 1}[a.live()]
			}
			return int(b.first - a.first)
		})
		if len(shares) == 0 {
			return 0, false
		}
		if !shares[0].set {
			return 0, true
		}
		return shares[0].value, true
	}
	var best *share
	for _, s := range shares {
		if s.set && (best == nil || preferred(mode, s, best)) {
			best = s
		}
	}
	if best == nil {
		return 0, false
	}
	return best.value, true
}

// preferred: NaN loses to whatever else there is.
func preferred(mode mmapstore.Mode, s, best *share) bool {
	if latest := mode == mmapstore.Latest || mode == mmapstore.LiveLatest; latest && s.setAt != best.setAt {
		return s.setAt > best.setAt
	}
	switch {
	case math.IsNaN(s.value) || math.IsNaN(best.value):
		return math.IsNaN(best.value)
	case mode == mmapstore.Min || mode == mmapstore.LiveMin:
		return s.value < best.value
	default:
		return s.value > best.value
	}
}
