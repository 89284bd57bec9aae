package aggregate_test

import (
	"slices"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: whichever way names are escaped for a scraper, no sample reaches it
// twice, and none with a label that it refuses. What must be left out for that is
// named, whoever came first, and plain names have precedence.
func TestOddLabels(t *testing.T) {
	counter := mmapstore.Family{Name: "c", Type: mmapstore.Counter}
	for _, row := range []struct {
		labels []string // of series in one process each, which counts 1, 2, ...
		want   string
		named  bool
	}{
		{[]string{"a.b=x"}, `c{a_b="x"} 1`, false},
		{[]string{"a:b=x"}, `c{a_b="x"} 1`, false},
		{[]string{"a:b=x,a_b=y"}, "", true},
		{[]string{"a.b=x,a_b=y"}, "", true},
		{[]string{"a.b=x,a_dot_b=y"}, "", true},
		{[]string{"..name..=x"}, "", true},
		{[]string{"-name-=x"}, "", true}, // escaped by dots
		{[]string{"a.b=x", "a_b=x"}, `c{a_b="x"} 2`, true},
		{[]string{"a_b=x", "a.b=x"}, `c{a_b="x"} 1`, true},
		{[]string{"a:b=x", "a_b=x"}, `c{a_b="x"} 2`, true},
		{[]string{"a-b=x", "a.b=x"}, `c{a_b="x"} 1`, true},
		{[]string{"a.b=x", "U__a_2e_b=x"}, `c{U__a_2e_b="x"} 2`, true},
		{[]string{"a.b=x", "a_b=y"}, "c{a_b=\"x\"} 1\nc{a_b=\"y\"} 2", false},
	} {
		var all []aggregate.Source
		for i, labels := range row.labels {
			all = append(all, process(int64(i+1)).with(counter, labels, uint64(i+1)))
		}
		m := aggregate.NewMerger(at(noon))
		for range 2 { // a second merge finds the same series
			r := mergeBy(t, m, all...)
			if got := samples(t, r.Metrics()); got != row.want {
				t.Errorf("%q: %s\nwant %s", row.labels, got, row.want)
			}
			named := slices.Contains(r.Conflicts, aggregate.Conflict{Family: "c", Kind: aggregate.NameConflict})
			if named != row.named {
				t.Errorf("%q: conflicts %v", row.labels, r.Conflicts)
			}
		}
		slices.Reverse(all)
		if got := samples(t, mergeAll(t, all...).Metrics()); got != row.want {
			t.Errorf("%q in another order: %s\nwant %s", row.labels, got, row.want)
		}
	}
}
