package aggregate

import (
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// continues reports whether what is known of the series in the schema old holds for
// the schema now: it is the same with more behind it. A file may have been
// replaced by another that claims its id; then it is not.
func continues(old, now *mmapstore.Schema) bool {
	return old.Version == now.Version && old.Words <= now.Words &&
		begins(old.Families, now.Families, sameFamily) &&
		begins(old.Series, now.Series, equal[mmapstore.Series]) &&
		begins(old.Tombstones, now.Tombstones, equal[mmapstore.Tombstone])
}

// begins reports whether now begins with old. As a rule they share their memory, of
// which a reader writes nothing twice.
func begins[T any](old, now []T, same func(a, b *T) bool) bool {
	if len(old) == 0 || len(now) > 0 && &old[0] == &now[0] {
		return len(old) <= len(now)
	}
	if len(old) > len(now) {
		return false
	}
	for i := range old {
		if !same(&old[i], &now[i]) {
			return false
		}
	}
	return true
}

func equal[T comparable](a, b *T) bool { return *a == *b }

func sameFamily(a, b *mmapstore.Family) bool {
	return a.Name == b.Name && a.Type == b.Type && a.Mode == b.Mode && a.Help == b.Help && a.Unit == b.Unit &&
		a.Partial == b.Partial && slices.Equal(a.Bounds, b.Bounds) && slices.Equal(a.Spelled, b.Spelled)
}
