package aggregate_test

import (
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a source in whose place another comes that claims its id counts as
// that one does, whatever the two have in common.
func TestSourceReplaced(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	for _, row := range []struct {
		is   *fake
		want string
	}{
		{process(1).counter("a", 5, 0).counter("b", 6, 0).gauge("g", mmapstore.Max, 1), "a 5\nb 6\ng 1"},
		{process(1).counter("c", 7, 0), "c 7"},
		{process(1), ""},
		{process(1).counter("d", 8, 0), "d 8"},
		{process(1).gauge("e", mmapstore.Max, 9), "e 9"},
		{process(1).gauge("e", mmapstore.Min, 3).counter("a", 1, 0), "a 1\ne 3"},
		{process(1).gauge("e", mmapstore.Min, 3).counter("a", 1, 0).remove(1, 5), "e 3"},
		{process(1).gauge("e", mmapstore.Min, 4).counter("a", 2, 0), "a 2\ne 4"},
	} {
		if got := samples(t, mergeBy(t, m, row.is).Metrics()); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
