package aggregate

import (
	"math"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// series is one merged series and, during a merge, its accumulators. It lives
// as long as some source contributes to it.
type series struct {
	labels mmapstore.Labels
	family *variant
	// odd: some scraper gets other names for its labels. ambiguous: with these it
	// cannot be shown, see disambiguate.
	odd, ambiguous bool
	seen           bool   // it is in the outline, or would be but for a clash of names
	stamp          uint64 // the last merge that gathered lives and found a contributor

	place  place // of its accumulators, once it is placed
	placed bool
	// life is as of the last merge that found another set of sources, or of lives.
	life life

	// died is when a record first found that nobody who lives shows the series.
	died int64

	// bounds is the union of the contributors' bucket bounds.
	bounds []float64
	// whole: some contributor told all of its bounds. observed is how many of
	// those in family.observed are among bounds.
	whole    bool
	observed int
	// shown is the highest that was ever exposed: see guard.
	shown shown
	// mixed: contributors have different bounds.
	mixed bool
}

// life tells whether a series is to be seen, and since when. Times are Unix
// nanoseconds.
type life struct {
	contributors int
	created      int64 // earliest beginning of a contribution, if all told theirs
	unknown      bool  // a contributor did not tell
	live         bool  // a live process shows the series
	newest       int64 // latest birth among the dead contributions that were not deleted
	deleted      int64 // latest deletion that has not taken effect
	past         Past  // of the contributors alone: what a fold writes down
}

// note takes notice of a source that has the series, whether or not its values
// are wanted.
func (l *life) note(past Past, dead bool) {
	l.deleted = max(l.deleted, past.Deleted)
	if dead {
		l.newest = max(l.newest, past.Newest)
	} else if past.Newest > 0 {
		l.live = true
	}
}

// contribute takes notice of a source whose values are wanted.
func (l *life) contribute(created int64, past Past) {
	l.contributors++
	l.past.Newest = max(l.past.Newest, past.Newest)
	l.past.Deleted = max(l.past.Deleted, past.Deleted)
	l.past.Died = max(l.past.Died, past.Died)
	if created == 0 {
		l.unknown = true
	} else if l.created == 0 || created < l.created {
		l.created = created
	}
}

// share tells another variant's life of the same series whether it is to be seen.
func (l *life) share(into *life) {
	into.live = into.live || l.live
	into.newest = max(into.newest, l.newest)
	into.deleted = max(into.deleted, l.deleted)
}

// createdTime is 0 unless every contributor told when it began.
func (l *life) createdTime() int64 {
	if l.unknown {
		return 0
	}
	return l.created
}

// hidden: somebody deleted the series, no live process shows it, and no dead
// one began it after the deletion. It then leaves altogether, with all that
// dead processes ever counted in it.
func (l *life) hidden() bool {
	return l.deleted > 0 && !l.live && l.newest <= l.deleted
}

// widen makes room for the bounds of a contributor's family. To know only a part
// of the bounds is no disagreement.
func (m *Merger) widen(s *series, f *mmapstore.Family) {
	if f.Partial {
		s.family.observe(f.Bounds)
	} else {
		s.mixed = s.mixed || s.whole && !slices.Equal(s.bounds, f.Bounds)
		s.whole = true
	}
	m.extend(s, f.Bounds)
}

// extend adds buckets, as long as there are not too many, and reports whether it did.
func (m *Merger) extend(s *series, bounds []float64) bool {
	all := union(s.bounds, bounds)
	if len(all) == len(s.bounds) || len(all) > mmapstore.MaxBounds {
		return false
	}
	if s.placed {
		m.wasted += s.accumulators()
		s.placed = false
		m.placed++
	}
	s.bounds = all
	s.shown.buckets = nil // the guard begins anew with the new buckets
	return true
}

// accumulators is how many the series has of which there are the most.
func (s *series) accumulators() int { return len(s.bounds) + 1 }

// union is the bounds of a and b in ascending order, a itself if b adds nothing.
func union(a, b []float64) []float64 {
	if a != nil && contains(a, b) {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// contains reports whether all of b is in a, which is in ascending order.
func contains(a, b []float64) bool {
	if len(a) == len(b) {
		return slices.Equal(a, b)
	}
	for _, bound := range b {
		if _, ok := slices.BinarySearch(a, bound); !ok {
			return false
		}
	}
	return true
}

// bucketIndexes says where a contributor's buckets go. A bound for which there was
// no room goes with the next larger one.
func (s *series) bucketIndexes(bounds []float64) []int32 {
	to := make([]int32, len(bounds)+1)
	for i, bound := range bounds {
		at, _ := slices.BinarySearch(s.bounds, bound)
		to[i] = int32(at)
	}
	to[len(bounds)] = int32(len(s.bounds))
	return to
}

// addCapped adds counts that cannot overflow but by damage or malice; then they
// stay at the top, since a count must not go down.
func addCapped(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}
