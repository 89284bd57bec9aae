package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// workers makes n processes of one application with one schema, in the same memory,
// which may tell when series began.
func workers(n int, dated bool) []*fake {
	first := process(1).counter("c_total", 0, 0).histogram("h", []float64{1, 2}, 0, 0, 0, 0).
		gauge("max", mmapstore.Max, 0).gauge("sum", mmapstore.Sum, 0).gauge("live", mmapstore.LiveAll, 0).gauge("latest", mmapstore.Latest, 0, 1)
	for i := range first.schema.Series {
		if !dated {
			first.schema.Series[i].Created = 0
		}
	}
	all := []*fake{first}
	for i := 2; i <= n; i++ {
		f := process(int64(i)).as(fmt.Sprint(i))
		f.schema, f.words = first.schema, slices.Clone(first.words)
		all = append(all, f)
	}
	return all
}

// alone is the process with a schema in memory of its own.
func (f *fake) alone() *fake {
	g := *f
	g.schema.Families = slices.Clone(f.schema.Families)
	g.schema.Series = slices.Clone(f.schema.Series)
	g.schema.Tombstones = slices.Clone(f.schema.Tombstones)
	return &g
}

// Property: whether sources have their schema in the same memory or only alike makes
// no difference to any merge, while they count, get series of their own, have some
// deleted and die.
func TestSharedSchemas(t *testing.T) {
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 5))
		all := workers(6, seed%2 == 0)
		shared, apart := aggregate.NewMerger(at(noon)), aggregate.NewMerger(at(noon)).InLanes()
		for round := range 40 {
			f := all[rng.IntN(len(all))]
			switch rng.IntN(6) {
			case 0:
				f.schema = f.alone().schema
				f.counter(fmt.Sprintf("own%d_total", rng.IntN(3)), 1, 0.5)
			case 1:
				f.schema = f.alone().schema
				f.remove(rng.IntN(len(f.schema.Series)), noon-100+int64(round))
			case 2:
				f.dead()
			default:
				for i, s := range f.schema.Series {
					if f.schema.Families[s.Family].Type.Cumulative() {
						f.words[s.Word] += uint64(rng.IntN(5))
					} else {
						f.words[s.Word], f.words[s.Word+1] = 1, float(float64(rng.IntN(9)+i))
					}
				}
			}
			var single []aggregate.Source
			for _, f := range all {
				f = f.alone()
				for i := range f.schema.Series {
					f.schema.Series[i].Created = max(f.schema.Series[i].Created, 1) // which is as long ago as can be told
				}
				single = append(single, f)
			}
			got, want := samples(t, mergeBy(t, shared, sources(all)...).Metrics()), samples(t, mergeBy(t, apart, single...).Metrics())
			if got != want {
				t.Fatalf("seed %d, round %d: with shared schemas\n%s\nwithout\n%s", seed, round, got, want)
			}
		}
	}
}

// Property: a warm merge allocates the same few times, however many series there are.
func TestWarmMergeAllocates(t *testing.T) {
	allocated := func(series int) float64 {
		var all []aggregate.Source
		for born := range int64(4) {
			f := process(born + 1)
			for i := range series {
				labels := fmt.Sprintf("i=%d", i)
				f.add(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter}, labels, 1, float(.5))
				f.add(mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: []float64{1}}, labels, float(1), 1, 1)
				f.add(mmapstore.Family{Name: "g", Type: mmapstore.Gauge, Mode: mmapstore.Max}, labels, 1, float(1))
				f.add(mmapstore.Family{Name: "l", Type: mmapstore.Gauge, Mode: mmapstore.Latest}, labels, 1, float(1), uint64(second(1)))
			}
			all = append(all, f)
		}
		m := aggregate.NewMerger(at(noon))
		mergeBy(t, m, all...)
		return testing.AllocsPerRun(10, func() { mergeBy(t, m, all...) })
	}
	few, many := allocated(10), allocated(1000)
	if few != many || many > 20 {
		t.Errorf("%v allocations with 40 series, %v with 4,000", few, many)
	}
}
