package stock

import (
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// continues reports whether one layout is the other with more behind it. One plan may
// have gone on in two ways: what of a histogram was there when its place was given
// decides which place that is.
func continues(old, now *mmapstore.Schema) bool {
	return len(old.Families) <= len(now.Families) && len(old.Series) <= len(now.Series) && old.Words <= now.Words &&
		slices.EqualFunc(old.Families, now.Families[:len(old.Families)], sameFamily) &&
		slices.Equal(old.Series, now.Series[:len(old.Series)])
}

func sameFamily(a, b mmapstore.Family) bool {
	return a.Name == b.Name && a.Help == b.Help && a.Type == b.Type && a.Mode == b.Mode && a.Partial == b.Partial &&
		slices.Equal(a.Bounds, b.Bounds) && slices.Equal(a.Spelled, b.Spelled)
}
