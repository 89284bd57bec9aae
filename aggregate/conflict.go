package aggregate

import (
	"cmp"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// ConflictKind says in what sources disagree.
type ConflictKind string

// The kinds of conflict.
const (
	TypeConflict   ConflictKind = "type"   // types differ: the newest source's is shown, the others left out
	ModeConflict   ConflictKind = "mode"   // modes differ: the newest source's holds for all
	BoundsConflict ConflictKind = "bounds" // bucket bounds differ: their union is shown
	NameConflict   ConflictKind = "name"   // samples of two families have one name: the older family is left out
)

// ConflictKinds lists all kinds.
var ConflictKinds = []ConflictKind{TypeConflict, ModeConflict, BoundsConflict, NameConflict}

// Conflict is a family about which sources disagree.
type Conflict struct {
	Family string
	Kind   ConflictKind
}

func (m *Merger) conflicts() []Conflict {
	var found []Conflict
	for _, g := range m.sortedGroups() {
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
		if g.shown.mixedBounds() {
			found = append(found, Conflict{g.name, BoundsConflict})
		}
	}
	return found
}

func (v *variant) mixedBounds() bool {
	if v.typ != mmapstore.Histogram {
		return false
	}
	for _, s := range v.order {
		if s.mixed {
			return true
		}
	}
	return false
}

// sampleNames are the names of the samples of a family.
func sampleNames(v *variant) []string {
	switch v.typ {
	case mmapstore.Histogram:
		return []string{v.name + "_bucket", v.name + "_sum", v.name + "_count"}
	case mmapstore.Summary:
		return []string{v.name + "_sum", v.name + "_count"}
	default:
		return []string{v.name}
	}
}

// clashes finds the families that are left out because a younger one, which is
// shown, has samples of the same name, and notes them as conflicts.
func (m *Merger) clashes(r *Result) map[*group]bool {
	byAge := slices.DeleteFunc(m.sortedGroups(), func(g *group) bool { return len(g.shown.order) == 0 })
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
