package aggregate

import (
	"testing"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Property: the list of absorbed ids is bounded, whoever added to it: an archiver
// of stock clients' files alone keeps all ids at each fold, and learns here that one
// without is due.
func TestTooManyIDs(t *testing.T) {
	a := NewArchive()
	a.Generation = 5
	for range maxKeptIDs {
		a.Absorbed = append(a.Absorbed, Absorbed{ID: mmapstore.NewID(), Generation: 5, At: time.Now().UnixNano()})
	}
	if a.Expires(FoldOptions{}) {
		t.Error("a full list expires before it is too long")
	}
	a.Absorbed = append(a.Absorbed, Absorbed{ID: mmapstore.NewID(), Generation: 5, At: time.Now().UnixNano()})
	if !a.Expires(FoldOptions{}) {
		t.Error("a list that is too long does not expire")
	}
	if a.Expires(FoldOptions{KeepAllIDs: true}) {
		t.Error("ids that are to be kept expire")
	}
	if a.Expires(FoldOptions{Lingering: map[mmapstore.ID]bool{a.Absorbed[0].ID: true}}) {
		t.Error("the id of a file that is still there counts as one too many")
	}
	next, changed, err := Fold(a, nil, nil, FoldOptions{})
	if err != nil || !changed || len(next.Absorbed) != maxKeptIDs || next.Horizon != 6 {
		t.Errorf("%d ids, horizon %d, changed: %v, %v", len(next.Absorbed), next.Horizon, changed, err)
	}
}
