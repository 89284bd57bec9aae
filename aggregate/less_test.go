package aggregate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// together is what base and what a has beyond it come to: the base as a host that is gone.
func together(t testing.TB, base, beyond *aggregate.Archive) string {
	t.Helper()
	return samples(t, mergeAll(t, host(1, mmapstore.Dead, base), host(2, mmapstore.Alive, beyond)).Metrics())
}

// Property: base and what a record has beyond it come to the record, whatever was counted
// in between: with whole numbers as floats, above all floats, in buckets that the base
// did not know. What began anew counts in addition to the base, and what a record has no
// more stays with the base.
func TestLess(t *testing.T) {
	gauge := func(mode mmapstore.Mode, v float64) *fake { return process(1).gauge("g", mode, v) }
	untyped := func(whole uint64, v float64) *fake {
		return process(1).with(mmapstore.Family{Name: "u", Type: mmapstore.Untyped}, "", whole, float(v))
	}
	for name, c := range map[string]struct {
		base, now *fake
		want      string // "": as now alone
	}{
		"whole":                      {process(1).counter("c", 3, 0), process(1).counter("c", 5, 0), ""},
		"a float that was whole":     {process(1).counter("c", 0, 3), process(1).counter("c", 0, 3.5), ""},
		"a float that is whole":      {process(1).counter("c", 1, 3.5), process(1).counter("c", 1, 4), ""},
		"both":                       {process(1).counter("c", 10, 3), process(1).counter("c", 12, 3.25), ""},
		"nothing new":                {process(1).counter("c", 10, 0.1), process(1).counter("c", 10, 0.1), ""},
		"beyond all whole numbers":   {process(1).counter("c", math.MaxUint64, 3), process(1).counter("c", math.MaxUint64, 1<<20), ""},
		"infinite":                   {process(1).counter("c", 0, math.MaxFloat64).with(mmapstore.Family{Name: "c", Type: mmapstore.Counter}, "a=b", 0, float(1)), process(1).counter("c", 1, math.MaxFloat64).with(mmapstore.Family{Name: "c", Type: mmapstore.Counter}, "a=b", 0, float(2)), ""},
		"counter anew":               {process(1).counter("c", 3, 0.5), process(1).counter("c", 2, 0.25), "c 5.75"},
		"counter anew, whole, float": {process(1).counter("c", 3, 0), process(1).counter("c", 0, 2.5), "c 5.5"},
		"counter that is gone":       {process(1).counter("c", 3, 0), process(1).counter("d", 2, 0), "c 3\nd 2"},
		"untyped falls":              {untyped(3, 0.5), untyped(3, -8), ""},
		"untyped not a number":       {untyped(3, nan), untyped(3, nan), ""},
		"summary":                    {process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(5), 2), process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(-0.5), 3), ""},
		"summary, infinite":          {process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(math.Inf(1)), 2), process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(math.Inf(1)), 3), ""},
		"summary anew":               {process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(5), 2), process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(7), 1), "s_sum 12\ns_count 3"},
		"histogram":                  {process(1).histogram("h", []float64{1, 5}, 4, 1, 1, 1), process(1).histogram("h", []float64{1, 5}, 9, 1, 3, 2), ""},
		"bounds that grew":           {process(1).histogram("h", []float64{1, 5}, 4, 1, 1, 1), process(1).histogram("h", []float64{0.5, 1, 2, 5}, 9, 4, 3, 2, 1, 2), ""},
		"one bucket fell": {process(1).histogram("h", []float64{1}, 4, 1, 2), process(1).histogram("h", []float64{1}, 2, 9, 1), `h_bucket{le="1"} 10
h_bucket{le="+Inf"} 13
h_sum 6
h_count 13`},
		"gauge sum":                   {gauge(mmapstore.Sum, 5), gauge(mmapstore.Sum, 3), ""},
		"gauge sum, infinite":         {gauge(mmapstore.Sum, math.Inf(1)), gauge(mmapstore.Sum, math.Inf(1)), ""},
		"gauge sum, now infinite":     {gauge(mmapstore.Sum, 2), gauge(mmapstore.Sum, math.Inf(-1)), ""},
		"gauge sum, not set any more": {gauge(mmapstore.Sum, 2), process(1).unset("g", mmapstore.Sum), "g 2"},
		"gauge sum, first set":        {process(1).unset("g", mmapstore.Sum), gauge(mmapstore.Sum, 2), ""},
		"gauge max":                   {gauge(mmapstore.Max, 5), gauge(mmapstore.Max, 3), "g 5"},
		"gauge livesum":               {gauge(mmapstore.LiveSum, 5), gauge(mmapstore.LiveSum, 3), ""},
		"gauge latest":                {process(1).gauge("g", mmapstore.Latest, 5, 9), process(1).gauge("g", mmapstore.Latest, 3, 10), ""},
		"gauge all":                   {gauge(mmapstore.All, 5), gauge(mmapstore.All, 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			base, now := recordOf(t, c.base), recordOf(t, c.now)
			before, is := string(base.Encode()), string(now.Encode())
			want := c.want
			if want == "" {
				want = samples(t, mergeAll(t, c.now).Metrics())
			}
			if got := together(t, base, less(now, base)); got != want {
				t.Errorf("base and what is beyond it come to\n%s\nwant\n%s", got, want)
			}
			if string(base.Encode()) != before || string(now.Encode()) != is {
				t.Error("a record or its base was changed")
			}
		})
	}
}

// Property: a counter that is above all floats stays so, and is no value that nobody can
// have counted.
func TestLessOfTooMuch(t *testing.T) {
	a := recordOf(t, process(1).counter("c", 0, math.MaxFloat64), process(2).counter("c", 0, math.MaxFloat64))
	r := mergeAll(t, host(1, mmapstore.Alive, less(a, a)), host(2, mmapstore.Dead, a))
	if got := samples(t, r.Metrics()); got != "c +Inf" || r.Invalid != 0 {
		t.Errorf("%s, invalid: %d", got, r.Invalid)
	}
}

// Property: the last bits of a sum, which another order of the same sources may round in
// another way, do not make a counter one that began anew.
func TestLessOfRounding(t *testing.T) {
	base := recordOf(t, process(1).counter("c", 1000, 0.1))
	now := recordOf(t, process(1).counter("c", 1000, 0.1))
	now.Words[2] = float(-1e-18)
	if got := together(t, base, less(now, base)); got != "c 1000.1" {
		t.Error(got)
	}
}

// Property: Less of no base is the record itself, and Less of any shares the layout, so
// that what was sent of it holds.
func TestLessSharesTheLayout(t *testing.T) {
	a := recordOf(t, process(1).counter("c", 3, 0.5))
	if less(a, aggregate.NewArchive()) != a {
		t.Error("less nothing, a record is another")
	}
	nothing := less(a, a)
	if &nothing.Schema.Series[0] != &a.Schema.Series[0] || &nothing.History.Series[0] != &a.History.Series[0] {
		t.Error("another layout")
	}
}

// Property: a host that was folded again and again, and each time came back with what it
// has counted since, shows what it would have if it had never been away, for ever; its
// base being what all folds hold together.
func TestReturnsAgainAndAgain(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { returnAgainAndAgain(t, rand.New(rand.NewPCG(seed, 13))) })
	}
}

func returnAgainAndAgain(t *testing.T, rng *rand.Rand) {
	var fakes []*fake
	for n := range 3 {
		bounds := [][]float64{{1}, {1, 2}, {0, 3}}[n]
		fakes = append(fakes, process(int64(n+1)).counter("c", 0, 0).histogram("h", bounds, 0).
			with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "").gauge("g", mmapstore.Sum, 0))
	}
	here := fakes[:1]
	recorder, fleet, base := aggregate.NewRecorder(at(noon)), aggregate.NewArchive(), aggregate.NewArchive()
	for n := range 60 {
		switch rng.IntN(12) {
		case 0:
			here = fakes[:min(len(here)+1, len(fakes))]
		case 1:
			beyond := less(record(t, recorder, sources(here)...), base)
			gone := host(n+1, mmapstore.Dead, beyond)
			o := aggregate.FoldOptions{Now: at(noon)}
			fleet, base = folded(t, fleet, gone, o), folded(t, base, gone, o)
		default:
			count(rng, here[rng.IntN(len(here))])
		}
		beyond := less(record(t, recorder, sources(here)...), base)
		want := shown(mergeAll(t, sources(here)...))
		if got := shown(mergeAll(t, fleet.Source("archive", nil), host(99, mmapstore.Alive, beyond))); got != want {
			t.Fatalf("at %d the fleet shows\n%s\nwant\n%s", n, got, want)
		}
	}
}

// count lets a process go on in all that it has, in quarters, so that sums are exact.
func count(rng *rand.Rand, f *fake) {
	plus := func(word int, v float64) { f.words[word] = float(math.Float64frombits(f.words[word]) + v) }
	for i, s := range f.schema.Series {
		v := float64(rng.IntN(8)) / 4
		switch family := &f.schema.Families[s.Family]; family.Type {
		case mmapstore.Counter:
			f.words[s.Word] += uint64(rng.IntN(3))
			plus(s.Word+1, v)
		case mmapstore.Gauge:
			plus(s.Word+1, v-1)
		default:
			plus(s.Word, v-1)
			f.words[s.Word+1+rng.IntN(family.WordCount(1)-1)] += uint64(i)
		}
	}
}

// folded is the archive of a fleet after the host was folded, by one who knows no others.
func folded(t testing.TB, a *aggregate.Archive, h aggregate.Source, o aggregate.FoldOptions) *aggregate.Archive {
	t.Helper()
	o.Partial = true
	next, _, err := aggregate.Fold(a, []aggregate.Source{h}, map[mmapstore.ID]bool{h.Meta().ID: true}, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := aggregate.DecodeArchive(next.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// less is a without base, of which nothing is unread.
func less(a, base *aggregate.Archive) *aggregate.Archive {
	l, _ := aggregate.Less(a, base, true)
	return l
}
