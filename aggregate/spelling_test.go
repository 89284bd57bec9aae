package aggregate_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// spelled adds a histogram whose bounds are written as given.
func (f *fake) spelled(name string, bounds ...string) *fake {
	family := mmapstore.Family{Name: name, Type: mmapstore.Histogram}
	for _, text := range bounds {
		bound, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err)
		}
		family.Bounds = append(family.Bounds, bound)
		family.Spelled = append(family.Spelled, text)
	}
	return f.with(family, "", append([]uint64{float(1)}, make([]uint64, len(bounds)+1)...)...)
}

func wantSpelling(t *testing.T, r *aggregate.Result, want map[float64]string) {
	t.Helper()
	for _, f := range r.Families {
		if f.Name == "h" && !maps.Equal(f.Spelling, want) {
			t.Errorf("spelling %v, want %v", f.Spelling, want)
		}
	}
}

// A bound is written as all sources that have it write it, and canonically
// where two of them disagree or a text is none of the bound. A native file,
// which says nothing, writes canonically.
func TestSpelling(t *testing.T) {
	bad := process(5).spelled("h", "1.0", "2.0")
	bad.schema.Families[0].Spelled = []string{"1.0", `2"`}
	short := process(6).spelled("h", "1.0", "2.0")
	short.schema.Families[0].Spelled = []string{"1.0"}
	for name, c := range map[string]struct {
		sources []*fake
		want    map[float64]string
	}{
		"none":            {[]*fake{process(1).histogram("h", []float64{1}, 1, 1)}, nil},
		"one":             {[]*fake{process(1).spelled("h", "0.5", "1.0", "1e3")}, map[float64]string{1: "1.0", 1000: "1e3"}},
		"agree":           {[]*fake{process(1).spelled("h", "1.0"), process(2).spelled("h", "1.0")}, map[float64]string{1: "1.0"}},
		"disagree":        {[]*fake{process(1).spelled("h", "1.0", "2.0"), process(2).spelled("h", "1", "2.0")}, map[float64]string{2: "2.0"}},
		"both odd":        {[]*fake{process(1).spelled("h", "1.0"), process(2).spelled("h", "1.00"), process(3).spelled("h", "1.0")}, nil},
		"native":          {[]*fake{process(1).spelled("h", "1.0", "2.0"), process(2).histogram("h", []float64{1, 4}, 1, 1)}, map[float64]string{2: "2.0"}},
		"of no number":    {[]*fake{bad}, map[float64]string{1: "1.0"}},
		"of another size": {[]*fake{short}, nil},
		"left out": {[]*fake{
			process(1).spelled("h", "1.0"),
			process(2).with(mmapstore.Family{Name: "h", Type: mmapstore.Counter}, "", 1),
		}, nil},
	} {
		t.Run(name, func(t *testing.T) { wantSpelling(t, mergeAll(t, sources(c.sources)...), c.want) })
	}
}

// Who leaves has no say any more; results that were handed out do not change.
func TestSpellingOfSourcesThatLeave(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	a, b := process(1).spelled("h", "1.0"), process(2).spelled("h", "1")
	first := mergeBy(t, m, a)
	wantSpelling(t, first, map[float64]string{1: "1.0"})
	wantSpelling(t, mergeBy(t, m, a, b), nil)
	wantSpelling(t, mergeBy(t, m, a), map[float64]string{1: "1.0"})
	wantSpelling(t, mergeBy(t, m, b), nil)
	wantSpelling(t, first, map[float64]string{1: "1.0"})
}

// Property: however the sources are ordered and archived, the bounds are written
// as one merge of all sources writes them.
func TestSpellingArchived(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	texts := [][]string{{"1", "1.0", "1.00"}, {"2", "2.0"}, {"3.0"}, {"0.5", "5e-1"}}
	for range 300 {
		all := make([]*fake, 1+rng.IntN(5))
		for i := range all {
			var bounds []string
			for _, j := range []int{3, 0, 1, 2} {
				if rng.IntN(2) > 0 {
					bounds = append(bounds, texts[j][rng.IntN(len(texts[j]))])
				}
			}
			all[i] = process(int64(i+1)).spelled("h", bounds...).dead()
		}
		want := mergeAll(t, sources(all)...).Families[0].Spelling
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		wantSpelling(t, mergeAll(t, sources(all)...), want)
		a, left := aggregate.NewArchive(), slices.Clone(all)
		for len(left) > 0 {
			n := 1 + rng.IntN(len(left))
			a = archived(t, a, left, aggregate.FoldOptions{}, left[:n]...)
			left = left[n:]
			wantSpelling(t, mergeAll(t, append(sources(left), a.Source("archive", nil))...), want)
		}
	}
}
