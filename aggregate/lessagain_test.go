package aggregate_test

import (
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// counterOf is a process that has counted nothing but n.
func counterOf(born int64, n uint64) *fake { return process(born).counter("c", n, 0) }

// Property: a series that was deleted and counted in again shows, with what others hold of its
// life before, never less than the step before, at every step; also where a reader begins only then,
// and where it has passed what it was.
func TestLessOfASecondLife(t *testing.T) {
	for _, first := range []uint64{0, 12} { // when it is looked at for the first time
		secondLife(t, first)
	}
}

func secondLife(t *testing.T, first uint64) {
	t.Helper()
	base := recordOf(t, counterOf(1, 10))
	rest, warm, last := base, aggregate.NewMerger(at(noon)), ""
	for n := first; n < 25; n++ {
		var beyond *aggregate.Archive
		beyond, rest = aggregate.Less(recordOf(t, counterOf(2, n)), rest, true)
		want := samples(t, mergeAll(t, counterOf(1, 10+n)).Metrics())
		for name, m := range map[string]*aggregate.Merger{"warm": warm, "fresh": aggregate.NewMerger(at(noon))} {
			got := samples(t, mergeBy(t, m, host(1, mmapstore.Dead, base), host(2, mmapstore.Alive, beyond)).Metrics())
			if got != want {
				t.Errorf("%s reader, at %d after %q: %s, want %s", name, n, last, got, want)
			}
		}
		last = want
	}
}

// Property: a series of the same life that shows less than its base began anew; from the next
// time on the base is not taken off it any more. Other series keep their base.
func TestLessForgetsWhatBeganAnew(t *testing.T) {
	two := func(c, d uint64) *aggregate.Archive {
		return recordOf(t, process(1).counter("c", c, 0).counter("d", d, 0))
	}
	base := two(10, 5)
	for _, step := range []struct {
		c, d uint64
		want string
	}{
		{10, 6, "c 10\nd 6"},
		{3, 7, "c 13\nd 7"},
		{12, 8, "c 22\nd 8"},
	} {
		var beyond *aggregate.Archive
		beyond, base = aggregate.Less(two(step.c, step.d), base, true)
		if got := together(t, two(10, 5), beyond); got != step.want {
			t.Errorf("at %v: %s", step, got)
		}
	}
	if n := len(base.Schema.Series); n != 1 {
		t.Errorf("%d series are left in the base", n)
	}
}

// Property: while some source cannot be read, what shows less than its base adds nothing, whatever it is,
// and is not taken for anew: once all can be read nothing is counted twice.
func TestLessOfAPart(t *testing.T) {
	all := func(c uint64, buckets uint64, sum float64) *aggregate.Archive {
		return recordOf(t, process(1).counter("c", c, 0).histogram("h", []float64{1}, sum, buckets, 0).
			with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(sum), buckets))
	}
	base := all(10, 4, 8)
	was := samples(t, mergeAll(t, host(1, mmapstore.Dead, base)).Metrics())
	part, rest := aggregate.Less(all(3, 1, 2), base, false)
	if got := together(t, base, part); got != was {
		t.Errorf("a part comes to\n%s\nwant\n%s", got, was)
	}
	if rest != base {
		t.Error("a part changed the base")
	}
	grown := all(11, 5, 9)
	for _, whole := range []bool{false, true} {
		beyond, rest := aggregate.Less(grown, base, whole)
		want := samples(t, mergeAll(t, host(1, mmapstore.Dead, grown)).Metrics())
		if got := together(t, base, beyond); got != want || rest != base {
			t.Errorf("whole: %v: all comes to\n%s\nwant\n%s", whole, got, want)
		}
	}
}

// Property: what a record has in common with what is held is taken off it as a base without a
// trace, and it is all there exactly if no count of it has gone.
func TestCommon(t *testing.T) {
	gauge := func(v float64) *fake { return process(1).gauge("g", mmapstore.Sum, v) }
	for name, c := range map[string]struct {
		held, now *fake
		all       bool
		want      string // now, beyond what is common
	}{
		"nothing new":        {counterOf(1, 5), counterOf(1, 5), true, "c 0"},
		"more":               {counterOf(1, 5), counterOf(1, 7), true, "c 2"},
		"another series":     {counterOf(1, 5), counterOf(1, 5).counter("d", 3, 0.5), true, "c 0\nd 3.5"},
		"less":               {counterOf(1, 5), counterOf(1, 3), false, "c 0"},
		"a later life":       {counterOf(1, 5), counterOf(2, 8), false, "c 0"},
		"gone":               {counterOf(1, 5).counter("d", 3, 0), counterOf(1, 6), false, "c 1"},
		"nothing held":       {process(1), counterOf(1, 5), true, "c 5"},
		"nothing left":       {counterOf(1, 5), process(1), false, ""},
		"a gauge fell":       {gauge(5), gauge(3), true, "g -2"},
		"another's gauge":    {gauge(5), process(2).gauge("g", mmapstore.Sum, 3), true, "g -2"},
		"a gauge is gone":    {gauge(5), counterOf(1, 1), true, "c 1"},
		"a histogram":        {process(1).histogram("h", []float64{1}, 2, 1, 1), process(1).histogram("h", []float64{1}, 5, 2, 3), true, "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 3\nh_count 3"},
		"a histogram's less": {process(1).histogram("h", []float64{1}, 2, 1, 1), process(1).histogram("h", []float64{1}, 5, 0, 3), false, "h_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0"},
	} {
		t.Run(name, func(t *testing.T) {
			held, now := recordOf(t, c.held), recordOf(t, c.now)
			bytes := string(now.Encode())
			common, all := aggregate.Common(now, held)
			if all != c.all {
				t.Errorf("all is %v", all)
			}
			beyond, rest := aggregate.Less(now, common, true)
			if got := samples(t, mergeAll(t, host(2, mmapstore.Alive, beyond)).Metrics()); got != c.want {
				t.Errorf("beyond what is common:\n%s\nwant\n%s", got, c.want)
			}
			if rest != common {
				t.Error("the record has less than it has in common")
			}
			if string(now.Encode()) != bytes {
				t.Error("the record was changed")
			}
		})
	}
}
