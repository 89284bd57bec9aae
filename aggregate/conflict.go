package aggregate

import (
	"cmp"
	"slices"

	"github.com/promfold/promfold/internal/escape"
	"github.com/promfold/promfold/mmapstore"
)

// ConflictKind says in what sources disagree.
type ConflictKind string

// The kinds of conflict.
const (
	TypeConflict   ConflictKind = "type"   // types differ: the newest source's is shown, the others left out
	ModeConflict   ConflictKind = "mode"   // modes differ: the newest source's holds for all
	BoundsConflict ConflictKind = "bounds" // bucket bounds differ: their union is shown
	NameConflict   ConflictKind = "name"   // samples of two families have one name: the older family is left out; or labels of a series: it is
)

// ConflictKinds lists all kinds.
var ConflictKinds = []ConflictKind{TypeConflict, ModeConflict, BoundsConflict, NameConflict}

// Conflict is a family about which sources disagree.
type Conflict struct {
	Family string
	Kind   ConflictKind
}

// conflicts lists what the groups, in order of names, disagree about.
func conflicts(groups []*group) []Conflict {
	var found []Conflict
	for _, g := range groups {
		types, modes := false, false
		for _, v := range g.variants {
			types = types || v.typ != g.shown.typ
			modes = modes || v.typ == g.shown.typ && v.mode != g.shown.mode
		}
		if types {
			found = append(found, Conflict{g.name, TypeConflict})
		}
		if modes {
			found = append(found, Conflict{g.name, ModeConflict})
		}
		if g.shown.ambiguous {
			found = append(found, Conflict{g.name, NameConflict})
		}
		if g.shown.mixed {
			found = append(found, Conflict{g.name, BoundsConflict})
		}
	}
	return found
}

// sampleNames are the names of a family and of its samples, in all escapings: two
// families that differ in a dot and an underscore are one to most scrapers.
func sampleNames(v *variant) (names []string) {
	suffixes := []string{""}
	switch v.typ {
	case mmapstore.Histogram:
		suffixes = []string{"", "_bucket", "_sum", "_count"}
	case mmapstore.Summary:
		suffixes = []string{"", "_sum", "_count"}
	}
	for _, name := range escape.Names(v.name) {
		for _, suffix := range suffixes {
			names = append(names, name+suffix)
		}
	}
	return names
}

// clashes finds the groups, of those in order of names, that are left out because
// a younger one, which is shown, has samples of the same name. What has nothing to
// show takes no name: the gauges of the dead that an archive does not hold must not
// matter before it is made either.
func clashes(groups []*group) map[*group]bool {
	byAge := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool {
		return !slices.ContainsFunc(g.shown.order, func(s *series) bool { return s.seen })
	})
	slices.SortStableFunc(byAge, func(a, b *group) int { return cmp.Compare(b.shown.newest, a.shown.newest) })
	taken := make(map[string]bool)
	out := make(map[*group]bool)
	for _, g := range byAge {
		names := sampleNames(g.shown)
		if slices.ContainsFunc(names, func(name string) bool { return taken[name] }) {
			out[g] = true
			continue
		}
		for _, name := range names {
			taken[name] = true
		}
	}
	return out
}
