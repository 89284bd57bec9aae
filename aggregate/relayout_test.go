package aggregate_test

import (
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// observed adds a histogram of which the source knows only some buckets.
func (f *fake) observed(labels string, bounds []float64, sum float64, counts ...uint64) *fake {
	words := append([]uint64{float(sum)}, counts...)
	return f.with(mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: bounds, Partial: true}, labels, words...)
}

// anew lays out the series of the process afresh, as a reader does whose file
// has got another bucket.
func (f *fake) anew() *fake {
	f.schema = mmapstore.Schema{SumWords: 1, Version: f.schema.Version + 1}
	f.words = nil
	return f
}

// A source that lays out its series anew counts as it is then, once, and nothing
// of the old layout is left.
func TestSourceLaidOutAnew(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	p := process(1).counter("left", 5, 0).observed("", []float64{1}, 1, 1, 0)
	q := process(2).observed("", []float64{1}, 1, 1, 0)
	mergeBy(t, m, p, q)
	p.anew().observed("", []float64{1, 2}, 3.5, 1, 1, 0)
	got := samples(t, mergeBy(t, m, p, q).Families)
	want := "h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Every series of a family has the buckets that were observed in any of them, in
// whichever process: otherwise sums over series go wrong. That is no conflict,
// and it is the same after archiving.
func TestObservedBucketsOfAFamily(t *testing.T) {
	p := process(1).observed("path=a", []float64{1, 5}, 9, 1, 2, 0).dead()
	q := process(2).observed("path=b", []float64{2}, 3, 1, 1)
	want := `h_bucket{path="a",le="1"} 1
h_bucket{path="a",le="2"} 1
h_bucket{path="a",le="5"} 3
h_bucket{path="a",le="+Inf"} 3
h_sum{path="a"} 9
h_count{path="a"} 3
h_bucket{path="b",le="1"} 0
h_bucket{path="b",le="2"} 1
h_bucket{path="b",le="5"} 1
h_bucket{path="b",le="+Inf"} 2
h_sum{path="b"} 3
h_count{path="b"} 2`
	archive := archived(t, aggregate.NewArchive(), []*fake{p, q}, aggregate.FoldOptions{}, p)
	for name, all := range map[string][]aggregate.Source{
		"live": {p, q}, "other order": {q, p}, "archived": {q, archive.Source("archive", nil)},
	} {
		r := mergeAll(t, all...)
		if got := samples(t, r.Families); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if len(r.Conflicts) > 0 {
			t.Errorf("%s: conflicts %v", name, r.Conflicts)
		}
	}
}
