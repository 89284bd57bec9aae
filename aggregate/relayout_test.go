package aggregate_test

import (
	"errors"
	"fmt"
	"slices"
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
	got := samples(t, mergeBy(t, m, p, q).Metrics())
	want := "h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Property: a source that lays out its series anew, and cannot be read under the
// new layout, goes on with what it last said, gauges too, until it can.
func TestSourceLaidOutAnewAndUnreadable(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	p := process(1).counter("a_total", 5, 0).gauge("g", mmapstore.Max, 7)
	want := samples(t, mergeBy(t, m, p).Metrics())
	p.anew().counter("a_total", 0, 0).counter("b_total", 9, 0).gauge("g", mmapstore.Max, 8)
	p.err = errors.New("gone for the moment")
	for range 2 {
		r, err := m.Merge([]aggregate.Source{p})
		if got := samples(t, r.Metrics()); got != want || !errors.Is(err, p.err) {
			t.Fatalf("%v:\n%s\nwant\n%s", err, got, want)
		}
	}
	p.words[0], p.err = 6, nil
	want = "a_total 6\nb_total 9\ng 8"
	if got := samples(t, mergeBy(t, m, p).Metrics()); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
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
		if got := samples(t, r.Metrics()); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if len(r.Conflicts) > 0 {
			t.Errorf("%s: conflicts %v", name, r.Conflicts)
		}
	}
}

// Series of sources that know only some of their bounds are widened to what the
// family has, as long as that is what an application may have; otherwise each keeps
// to its own, so that a small file cannot ask for any amount of memory.
func TestWideningInProportion(t *testing.T) {
	for name, row := range map[string]struct {
		series, bounds int // of the family
		own            int // of each series
		least, most    int // buckets of all series
	}{
		"a client's":             {2000, 30, 1, 2000 * 30, 2000 * 30},
		"few of many":            {100, 500, 5, 100 * 500, 100 * 500},
		"more than is united":    {10, 1000, 100, 10 * 500, 10 * (512 + 100)},
		"each its own":           {4000, 4000, 1, 4000, 4000 + 1<<18},
		"many bounds and series": {4000, 400, 1, 4000, 4000 + 1<<18},
	} {
		p := process(1)
		for i := range row.series {
			var bounds []float64
			counts := make([]uint64, row.own+1)
			for j := range row.own {
				bounds, counts[j] = append(bounds, float64((i*row.own+j)%row.bounds)), 1
			}
			slices.Sort(bounds)
			f := &fake{schema: mmapstore.Schema{}}
			f.observed(fmt.Sprintf("i=%d", i), bounds, 1, counts...)
			f.schema.Series[0].Family, f.schema.Series[0].Word = i, len(p.words)
			p.schema.Families = append(p.schema.Families, f.schema.Families...)
			p.schema.Series = append(p.schema.Series, f.schema.Series...)
			p.words = append(p.words, f.words...)
			p.schema.Words = len(p.words)
		}
		buckets := 0
		var counted uint64
		for _, m := range mergeAll(t, p).Metrics()[0].Metric {
			buckets += len(m.Histogram.Bucket)
			counted += m.Histogram.GetSampleCount()
		}
		if buckets < row.least || buckets > row.most || counted != uint64(row.series*row.own) {
			t.Errorf("%s: %d buckets, want %d to %d; %d observations", name, buckets, row.least, row.most, counted)
		}
	}
}
