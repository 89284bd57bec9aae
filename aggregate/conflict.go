package aggregate

import (
	"cmp"

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

// sampleSuffixes are what the types add to the family's name.
var sampleSuffixes = map[mmapstore.Type][]string{
	mmapstore.Histogram: {"_bucket", "_sum", "_count"},
	mmapstore.Summary:   {"_sum", "_count"},
}

// clashes finds the families that are left out because a younger one has
// samples of the same name, and notes them as conflicts.
func (m *Merger) clashes(r *Result) map[*group]bool {
	out := make(map[*group]bool)
	for _, g := range m.sortedGroups() {
		for _, suffix := range sampleSuffixes[g.shown.typ] {
			other, ok := m.groups[g.name+suffix]
			if !ok || len(other.shown.order) == 0 || len(g.shown.order) == 0 {
				continue
			}
			older := g
			if cmp.Or(cmp.Compare(other.shown.newest, g.shown.newest), cmp.Compare(g.name, other.name)) < 0 {
				older = other
			}
			if !out[older] {
				out[older] = true
				r.Conflicts = append(r.Conflicts, Conflict{older.name, NameConflict})
			}
		}
	}
	return out
}
