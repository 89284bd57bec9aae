package aggregate

import (
	"cmp"
	"slices"

	"github.com/prometheus/common/model"

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

// sampleNames are the names of the samples of a family, as a scraper sees them
// that knows no names beyond the old character set: two families that differ in
// a dot and an underscore are one to it.
func sampleNames(v *variant) []string {
	name := model.EscapeName(v.name, model.UnderscoreEscaping)
	switch v.typ {
	case mmapstore.Histogram:
		return []string{name + "_bucket", name + "_sum", name + "_count"}
	case mmapstore.Summary:
		return []string{name + "_sum", name + "_count"}
	default:
		return []string{name}
	}
}

// ambiguous reports whether two labels of a series have one name to such a
// scraper.
func ambiguous(labels mmapstore.Labels) bool {
	var names []string
	for name := range labels.All() {
		legacy := model.EscapeName(name, model.UnderscoreEscaping)
		if slices.Contains(names, legacy) {
			return true
		}
		names = append(names, legacy)
	}
	return false
}

// clashes finds the groups, of those in order of names, that are left out because
// a younger one, which is shown, has samples of the same name, and notes them as
// conflicts.
func clashes(groups []*group, r *Result) map[*group]bool {
	byAge := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return len(g.shown.order) == 0 })
	slices.SortStableFunc(byAge, func(a, b *group) int { return cmp.Compare(b.shown.newest, a.shown.newest) })
	taken := make(map[string]bool)
	out := make(map[*group]bool)
	for _, g := range byAge {
		names := sampleNames(g.shown)
		if slices.ContainsFunc(names, func(name string) bool { return taken[name] }) {
			out[g] = true
			r.Conflicts = append(r.Conflicts, Conflict{g.name, NameConflict})
			continue
		}
		for _, name := range names {
			taken[name] = true
		}
	}
	return out
}
