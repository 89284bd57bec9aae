package aggregate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// law is one row: who there is, and what must be shown.
type law struct {
	name      string
	fakes     []*fake
	want      string // samples, without comments
	conflicts []aggregate.Conflict
	invalid   int
}

var nan = math.NaN()

var gaugeLaws = []law{
	{name: "sum, with the dead", want: "g 6", fakes: []*fake{
		process(1).gauge("g", mmapstore.Sum, 1), process(2).gauge("g", mmapstore.Sum, 2).dead(), process(3).gauge("g", mmapstore.Sum, 3).cannotTell(),
	}},
	{name: "sum that nobody has set is 0", want: "g 0", fakes: []*fake{process(1).unset("g", mmapstore.Sum).dead()}},
	{name: "sum with NaN", want: "g NaN", fakes: []*fake{process(1).gauge("g", mmapstore.Sum, nan).dead(), process(2).gauge("g", mmapstore.Sum, 2)}},
	{name: "sum of the infinities", want: "g NaN", fakes: []*fake{
		process(1).gauge("g", mmapstore.Sum, math.Inf(1)).dead(), process(2).gauge("g", mmapstore.Sum, math.Inf(-1)).dead(), process(3).gauge("g", mmapstore.Sum, 1),
	}},
	{name: "livesum leaves out the dead, and takes those of whom we cannot tell", want: "g 4", fakes: []*fake{
		process(1).gauge("g", mmapstore.LiveSum, 1), process(2).gauge("g", mmapstore.LiveSum, 2).dead(), process(3).gauge("g", mmapstore.LiveSum, 3).cannotTell(),
	}},
	{name: "livesum of the dead alone is nothing", want: "", fakes: []*fake{process(1).gauge("g", mmapstore.LiveSum, 1).dead()}},
	{name: "max takes no part of the unset", want: "g -2", fakes: []*fake{
		process(1).gauge("g", mmapstore.Max, -2).dead(), process(2).unset("g", mmapstore.Max), process(3).gauge("g", mmapstore.Max, -3),
	}},
	{name: "max that nobody has set", want: "", fakes: []*fake{process(1).unset("g", mmapstore.Max), process(2).unset("g", mmapstore.Max).dead()}},
	{name: "max is NaN only if all are", want: "g 1\nh NaN", fakes: []*fake{
		process(1).gauge("g", mmapstore.Max, nan).gauge("h", mmapstore.Max, nan).dead(), process(2).gauge("g", mmapstore.Max, 1), process(3).gauge("h", mmapstore.Max, nan),
	}},
	{name: "livemax", want: "g 1", fakes: []*fake{process(1).gauge("g", mmapstore.LiveMax, 9).dead(), process(2).gauge("g", mmapstore.LiveMax, 1)}},
	{name: "min takes no part of the unset", want: "g 2", fakes: []*fake{
		process(1).gauge("g", mmapstore.Min, 3).dead(), process(2).unset("g", mmapstore.Min), process(3).gauge("g", mmapstore.Min, 2).dead(),
	}},
	{name: "min is NaN only if all are", want: "g 1\nh NaN", fakes: []*fake{
		process(1).gauge("g", mmapstore.Min, 1).gauge("h", mmapstore.Min, nan), process(2).gauge("g", mmapstore.Min, nan).dead(), process(3).gauge("h", mmapstore.Min, nan).dead(),
	}},
	{name: "livemin", want: "g 3", fakes: []*fake{process(1).gauge("g", mmapstore.LiveMin, 1).dead(), process(2).gauge("g", mmapstore.LiveMin, 3)}},
	{name: "latest goes by time, not by birth", want: "g 1", fakes: []*fake{
		process(1).gauge("g", mmapstore.Latest, 1, 50).dead(), process(2).gauge("g", mmapstore.Latest, 2, 49), process(3).unset("g", mmapstore.Latest),
	}},
	{name: "latest, tie: the larger, NaN last", want: "g 2\nh 1", fakes: []*fake{
		process(1).gauge("g", mmapstore.Latest, 1, 50).gauge("h", mmapstore.Latest, 1, 7).dead(), process(2).gauge("g", mmapstore.Latest, 2, 50), process(3).gauge("h", mmapstore.Latest, nan, 7),
	}},
	{name: "latest of NaN", want: "g NaN", fakes: []*fake{process(1).gauge("g", mmapstore.Latest, 1, 50).dead(), process(2).gauge("g", mmapstore.Latest, nan, 51).dead()}},
	{name: "clocks ahead of ours are all at now, which is a tie", want: "g 8", fakes: []*fake{
		process(1).gauge("g", mmapstore.Latest, 7, noon+500), process(2).gauge("g", mmapstore.Latest, 8, noon+10), process(3).gauge("g", mmapstore.Latest, 9, noon-1).dead(),
	}},
	{name: "livelatest", want: "g 2", fakes: []*fake{process(1).gauge("g", mmapstore.LiveLatest, 1, 50).dead(), process(2).gauge("g", mmapstore.LiveLatest, 2, 49)}},
	{name: "all: a series per process, unset ones too", want: `g{pid="a"} 1
g{pid="b"} 2
g{pid="c"} 0`, fakes: []*fake{
		process(1).as("a").gauge("g", mmapstore.All, 1), process(2).as("b").gauge("g", mmapstore.All, 2).dead(), process(3).as("c").unset("g", mmapstore.All).dead(),
	}},
	{name: "all: the living before the dead, then the younger", want: `g{pid="a"} 1
g{pid="b"} 4`, fakes: []*fake{
		process(1).as("a").gauge("g", mmapstore.All, 1), process(2).as("a").gauge("g", mmapstore.All, 2).dead(),
		process(3).as("b").gauge("g", mmapstore.All, 3).dead(), process(4).as("b").gauge("g", mmapstore.All, 4).dead(),
	}},
	{name: "all: the source's own label pid gives way", want: `g{pid="a"} 1`, fakes: []*fake{
		process(1).as("a").with(mmapstore.Family{Name: "g", Type: mmapstore.Gauge, Mode: mmapstore.All}, "pid=7", 1, float(1)).dead(),
	}},
	{name: "liveall", want: `g{pid="a"} 1`, fakes: []*fake{process(1).as("a").gauge("g", mmapstore.LiveAll, 1), process(2).as("b").gauge("g", mmapstore.LiveAll, 2).dead()}},
	{name: "info, stateset", want: "i 1\ns 2", fakes: []*fake{
		process(1).with(mmapstore.Family{Name: "i", Type: mmapstore.Info, Mode: mmapstore.Max}, "", 1, float(1)).dead(),
		process(2).with(mmapstore.Family{Name: "s", Type: mmapstore.StateSet, Mode: mmapstore.LiveSum}, "", 1, float(1)),
		process(3).with(mmapstore.Family{Name: "s", Type: mmapstore.StateSet, Mode: mmapstore.LiveSum}, "", 1, float(1)),
		process(4).with(mmapstore.Family{Name: "s", Type: mmapstore.StateSet, Mode: mmapstore.LiveSum}, "", 1, float(1)).dead(),
	}},
}

var cumulativeLaws = []law{
	{name: "counter: whole and fraction", want: "c 6.5", fakes: []*fake{process(1).counter("c", 2, 0.25), process(2).counter("c", 4, 0.25).dead()}},
	{name: "counter over 2^64 is carried", want: "c 5.5340232221128655e+19", fakes: []*fake{
		process(1).counter("c", 1<<63, 0).dead(), process(2).counter("c", 1<<63, 0).dead(), process(3).counter("c", 1<<63, 0), process(4).counter("c", 1<<63, 0), process(5).counter("c", 1<<63, 0), process(6).counter("c", 1<<63, 0).dead(),
	}},
	{name: "counter over all floats is infinite", want: "c +Inf", fakes: []*fake{
		process(1).counter("c", 0, math.MaxFloat64).dead(), process(2).counter("c", 0, math.MaxFloat64), process(3).counter("c", 1, 0).dead(),
	}},
	{name: "values that nobody can have counted are left out, and counted", want: "c 3", invalid: 3, fakes: []*fake{
		process(1).counter("c", 1, nan), process(2).counter("c", 1, math.Inf(1)), process(3).counter("c", 1, -5),
	}},
	{name: "untyped may be negative", want: "u -2", fakes: []*fake{
		process(1).with(mmapstore.Family{Name: "u", Type: mmapstore.Untyped}, "", 1, float(-5)).dead(), process(2).with(mmapstore.Family{Name: "u", Type: mmapstore.Untyped}, "", 2),
	}},
	{name: "summary", want: "s_sum 2.5\ns_count 5", fakes: []*fake{
		process(1).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(3), 2).dead(), process(2).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(-0.5), 3),
	}},
	{name: "histogram", want: `h_bucket{le="1"} 2
h_bucket{le="5"} 6
h_bucket{le="+Inf"} 12
h_sum 3.5
h_count 12`, fakes: []*fake{
		process(1).histogram("h", []float64{1, 5}, 1.5, 1, 2, 3), process(2).histogram("h", []float64{1, 5}, 2, 1, 2, 3).dead(),
	}},
	{name: "histogram: the union of the bounds", want: `h_bucket{le="1"} 1
h_bucket{le="2"} 5
h_bucket{le="5"} 8
h_bucket{le="+Inf"} 16
h_sum 0
h_count 16`, fakes: []*fake{
		process(1).histogram("h", []float64{1, 5}, 0, 1, 3, 3), process(2).histogram("h", []float64{2}, 0, 4, 5).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "h", Kind: aggregate.BoundsConflict}}},
	{name: "histogram: counts that no one can have counted stay at the top", want: `h_bucket{le="1"} 1.8446744073709552e+19
h_bucket{le="+Inf"} 1.8446744073709552e+19
h_sum 0
h_count 1.8446744073709552e+19`, fakes: []*fake{
		process(1).histogram("h", []float64{1}, 0, math.MaxUint64-1, 9).dead(), process(2).histogram("h", []float64{1}, 0, 5, 1).dead(),
	}},
	{name: "different label names live side by side", want: `c{a="1"} 1
c{b="1"} 2`, fakes: []*fake{
		process(1).with(mmapstore.Family{Name: "c", Type: mmapstore.Counter}, "a=1", 1), process(2).with(mmapstore.Family{Name: "c", Type: mmapstore.Counter}, "b=1", 2).dead(),
	}},
	{name: "a source given twice counts once", want: "c 1", fakes: []*fake{process(1).counter("c", 1, 0), process(1).counter("c", 1, 0)}},
}

var conflictLaws = []law{
	{name: "mode: the newest's for all", want: "g 5", fakes: []*fake{
		process(1).gauge("g", mmapstore.Max, 5), process(2).gauge("g", mmapstore.Sum, 2), process(3).gauge("g", mmapstore.Max, 3),
	}, conflicts: []aggregate.Conflict{{Family: "g", Kind: aggregate.ModeConflict}}},
	{name: "mode: the dead count as their own law had it", want: "g 17", fakes: []*fake{
		process(1).gauge("g", mmapstore.Max, 5).dead(), process(2).gauge("g", mmapstore.Max, 7).dead(), process(3).gauge("g", mmapstore.Sum, 4).dead(), process(4).gauge("g", mmapstore.Sum, 6),
	}, conflicts: []aggregate.Conflict{{Family: "g", Kind: aggregate.ModeConflict}}},
	{name: "mode: the newest may be dead", want: "g 7", fakes: []*fake{
		process(1).gauge("g", mmapstore.LiveSum, 7), process(2).gauge("g", mmapstore.LiveSum, 4), process(3).gauge("g", mmapstore.LiveMax, 9).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "g", Kind: aggregate.ModeConflict}}},
	{name: "mode: an unset loser shows nothing", want: "", fakes: []*fake{
		process(1).unset("g", mmapstore.Max).dead(), process(2).gauge("g", mmapstore.LiveSum, 9).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "g", Kind: aggregate.ModeConflict}}},
	{name: "mode: all gets a series per process", want: `g{pid="a"} 1
g{pid="b"} 2`, fakes: []*fake{
		process(1).as("a").gauge("g", mmapstore.Sum, 1), process(3).as("b").gauge("g", mmapstore.All, 2).dead(), process(2).as("c").gauge("g", mmapstore.Max, 3).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "g", Kind: aggregate.ModeConflict}}},
	{name: "type: the newest shown, the other named", want: "m 2", fakes: []*fake{
		process(1).counter("m", 1, 0).dead(), process(2).gauge("m", mmapstore.Sum, 2), withID(process(1).with(mmapstore.Family{Name: "m", Type: mmapstore.Untyped}, "", 9), 78),
	}, conflicts: []aggregate.Conflict{{Family: "m", Kind: aggregate.TypeConflict}}},
	{name: "type: a tie goes by the text", want: "m 2", fakes: []*fake{
		process(1).counter("m", 1, 0).dead(), withID(process(1).gauge("m", mmapstore.Sum, 2), 77),
	}, conflicts: []aggregate.Conflict{{Family: "m", Kind: aggregate.TypeConflict}}},
	{name: "name: the younger family stays", want: "h_count 2", fakes: []*fake{
		process(1).histogram("h", []float64{1}, 1, 1, 1), process(2).counter("h_count", 2, 0).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "h", Kind: aggregate.NameConflict}}},
	{name: "name: one that is out is in nobody's way", want: "h_count 2\nh_sum 3", fakes: []*fake{
		process(1).counter("h_sum", 3, 0), process(2).histogram("h", []float64{1}, 1, 1, 1), process(3).counter("h_count", 2, 0).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "h", Kind: aggregate.NameConflict}}},
	{name: "name: to some scrapers a dot is an underscore", want: "a_b 2", fakes: []*fake{
		process(1).counter("a.b", 1, 0), process(2).counter("a_b", 2, 0).dead(),
	}, conflicts: []aggregate.Conflict{{Family: "a.b", Kind: aggregate.NameConflict}}},
	{name: "name: nor may two labels be one to them", want: "c 1", fakes: []*fake{
		process(1).counter("c", 1, 0), process(2).with(mmapstore.Family{Name: "c", Type: mmapstore.Counter}, "a.b=1,a_b=2", 2, 0),
	}, conflicts: []aggregate.Conflict{{Family: "c", Kind: aggregate.NameConflict}}},
	{name: "name: to parsers, what is said of h_bucket is said of h", want: "h_bucket_sum 0\nh_bucket_count 2", fakes: []*fake{
		process(1).histogram("h", nil, 1, 1), process(2).with(mmapstore.Family{Name: "h_bucket", Type: mmapstore.Summary}, "", 0, 2),
	}, conflicts: []aggregate.Conflict{{Family: "h", Kind: aggregate.NameConflict}}},
	{name: "name: a summary and a counter that are one when escaped", want: "x_y_sum 0\nx_y_count 2", fakes: []*fake{
		process(1).counter("x.y", 1, 0), process(2).with(mmapstore.Family{Name: "x_y", Type: mmapstore.Summary}, "", 0, 2),
	}, conflicts: []aggregate.Conflict{{Family: "x.y", Kind: aggregate.NameConflict}}},
	{name: "name: what has nothing to show takes none", want: "x_y 1", fakes: []*fake{
		process(1).counter("x_y", 1, 0), process(2).dead().gauge("x.y", mmapstore.LiveSum, 1), process(3).unset("x-y", mmapstore.Max),
	}},
}

func withID(f *fake, id byte) *fake {
	f.meta.ID[0] = id
	return f
}

// Property: each law of the merge holds, whatever the order of the sources, and
// whichever of the dead are in the archive.
func TestLaws(t *testing.T) {
	for _, laws := range [][]law{gaugeLaws, cumulativeLaws, conflictLaws} {
		for _, l := range laws {
			t.Run(l.name, l.hold)
		}
	}
}

func (l law) hold(t *testing.T) {
	r := mergeAll(t, sources(l.fakes)...)
	if got := samples(t, r.Metrics()); got != l.want {
		t.Errorf("got\n%s\nwant\n%s", got, l.want)
	}
	if !slices.Equal(r.Conflicts, l.conflicts) || r.Invalid != l.invalid {
		t.Errorf("conflicts %v, invalid %d", r.Conflicts, r.Invalid)
	}
	reversed := slices.Clone(l.fakes)
	slices.Reverse(reversed)
	if got := samples(t, mergeAll(t, sources(reversed)...).Metrics()); got != l.want {
		t.Errorf("in reverse order\n%s", got)
	}
	var dead []*fake
	for _, f := range l.fakes {
		if f.meta.State == mmapstore.Dead {
			dead = append(dead, f)
		}
	}
	for chosen := 1; chosen < 1<<len(dead); chosen++ {
		for _, inTwo := range []bool{false, true} {
			l.holdArchived(t, dead, chosen, inTwo)
		}
	}
}

// holdArchived folds the dead whose bits are set in chosen.
func (l law) holdArchived(t *testing.T, dead []*fake, chosen int, inTwo bool) {
	var absorb []*fake
	rest := slices.Clone(l.fakes)
	for i, f := range dead {
		if chosen&(1<<i) != 0 {
			absorb = append(absorb, f)
			rest = slices.DeleteFunc(rest, func(g *fake) bool { return g == f })
		}
	}
	a := aggregate.NewArchive()
	if inTwo {
		a = archived(t, a, l.fakes, aggregate.FoldOptions{}, absorb[0])
		a = archived(t, a, append(absorb[1:], rest...), aggregate.FoldOptions{}, absorb[1:]...)
	} else {
		a = archived(t, a, l.fakes, aggregate.FoldOptions{}, absorb...)
	}
	got := samples(t, mergeAll(t, append(sources(rest), a.Source("archive", nil))...).Metrics())
	if got != l.want {
		t.Errorf("with %b of the dead archived, in two folds %v:\n%s\nwant\n%s", chosen, inTwo, got, l.want)
	}
}

// Property: every pair of a type and mode that a file may hold survives the
// archive unless it is for the living alone.
func TestEveryModeIsArchived(t *testing.T) {
	for mode := mmapstore.All; mode <= mmapstore.LiveSum; mode++ {
		for _, typ := range []mmapstore.Type{mmapstore.Gauge, mmapstore.Info, mmapstore.StateSet} {
			f := process(1).with(mmapstore.Family{Name: "g", Type: typ, Mode: mode}, "", 1, float(3)).dead()
			a := archived(t, aggregate.NewArchive(), []*fake{f}, aggregate.FoldOptions{}, f)
			got := samples(t, mergeAll(t, a.Source("archive", nil)).Metrics())
			if want := map[bool]string{false: " 3", true: ""}[mode.Live()]; !strings.HasSuffix(got, want) || mode.Live() != (got == "") {
				t.Errorf("%v %v: %q", typ, mode, got)
			}
		}
	}
}

// Property: help and unit are those of the newest, ties by text, archived or not.
func TestNewestDescribes(t *testing.T) {
	family := func(help, unit string) mmapstore.Family {
		return mmapstore.Family{Name: "c", Type: mmapstore.Counter, Help: help, Unit: unit}
	}
	fakes := []*fake{
		process(3).with(family("old", "z"), "").dead(), process(5).with(family("newest", "bytes"), "").dead(), process(4).with(family("older", ""), ""),
	}
	a := archived(t, aggregate.NewArchive(), fakes, aggregate.FoldOptions{}, fakes[0], fakes[1])
	for i, all := range [][]aggregate.Source{sources(fakes), {fakes[2], a.Source("archive", nil)}} {
		f := mergeAll(t, all...).Metrics()[0]
		if f.GetHelp() != "newest" || f.GetUnit() != "bytes" {
			t.Errorf("%d: help %q, unit %q", i, f.GetHelp(), f.GetUnit())
		}
	}
}

// Property: the labels of a directory are on every series of its sources, its
// archive's included, so that two directories stay apart.
func TestDirectoryLabels(t *testing.T) {
	a, b, c := process(1).counter("c", 1, 0), process(2).counter("c", 2, 0), process(3).counter("c", 4, 0).dead()
	a.meta.Labels = []mmapstore.Label{{Name: "dir", Value: "one"}}
	b.meta.Labels = []mmapstore.Label{{Name: "dir", Value: "two"}}
	c.meta.Labels = b.meta.Labels
	archive := archived(t, aggregate.NewArchive(), []*fake{b, c}, aggregate.FoldOptions{}, c)
	want := fmt.Sprint(`c{dir="one"} 1`, "\n", `c{dir="two"} 6`)
	if got := samples(t, mergeAll(t, a, archive.Source("archive", b.meta.Labels), b).Metrics()); got != want {
		t.Errorf("got\n%s", got)
	}
	// They are the reader's: another one may have none, or others.
	b.meta.Labels = nil
	if got := samples(t, mergeAll(t, archive.Source("archive", nil), b).Metrics()); got != "c 6" {
		t.Errorf("read without labels: got\n%s", got)
	}
}
