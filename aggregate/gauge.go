package aggregate

import (
	"cmp"
	"math"

	"github.com/promfold/promfold/mmapstore"
)

// gauge is a gauge's value, or the merge of several so far.
type gauge struct {
	present bool // there was a contributor at all
	set     bool // some contributor was ever set
	value   float64
	at      int64 // latest: time of the set; all: birth of the contributor
	noted   int64 // latest: the time of the set by its process, where at is of several
	live    bool  // all: the contributor lives
}

// fold takes one contributor into the merge, by the law of the mode. Every law
// is associative and commutative, so neither order nor earlier folding shows.
// Sums are not here: they go to the unrounded sum of the series.
func (g *gauge) fold(mode mmapstore.Mode, c gauge) {
	if mode.PerProcess() {
		if !g.present || c.replaces(g) {
			*g = c
		}
		return
	}
	g.present = true
	if !c.set {
		return // never set: no part in max, min or latest
	}
	if !g.set || better(mode, c, *g) {
		g.set, g.value, g.at, g.noted = true, c.value, c.at, c.noted
	}
}

// replaces decides between two gauges of one process identity: the living
// before the dead, then the younger, then by value so that order cannot show.
func (g *gauge) replaces(old *gauge) bool {
	switch {
	case g.live != old.live:
		return g.live
	case g.at != old.at:
		return g.at > old.at
	default:
		return greater(g.value, old.value)
	}
}

func better(mode mmapstore.Mode, c, g gauge) bool {
	switch mode {
	case mmapstore.Latest, mmapstore.LiveLatest:
		if later := cmp.Or(cmp.Compare(c.at, g.at), cmp.Compare(c.noted, g.noted)); later != 0 {
			return later > 0
		}
		return greater(c.value, g.value)
	case mmapstore.Min, mmapstore.LiveMin:
		return math.IsNaN(g.value) && !math.IsNaN(c.value) || greater(g.value, c.value) && !math.IsNaN(c.value)
	default:
		return greater(c.value, g.value)
	}
}

// greater orders floats with NaN below all, and -0 below 0.
func greater(a, b float64) bool {
	return a > b || math.IsNaN(b) && !math.IsNaN(a) || a == b && math.Signbit(b) && !math.Signbit(a)
}

// summed reports whether the mode adds gauges up.
func summed(mode mmapstore.Mode) bool { return mode == mmapstore.Sum || mode == mmapstore.LiveSum }
