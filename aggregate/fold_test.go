package aggregate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: fractions that no float can hold exactly, folded in any groups and
// any order, come to the same as merged at once, bit for bit.
func TestSumsDoNotDependOnFolding(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 60 {
		var all []*fake
		for i := range int64(40) {
			scale := math.Pow(10, float64(rng.IntN(8)-4))
			v := rng.Float64() * scale
			all = append(all, process(i+1).dead().counter("c", rng.Uint64N(1<<20), v).histogram("h", nil, v-scale/2, 1).
				with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(v), 1))
		}
		want := exposition(t, mergeAll(t, sources(all)...).Metrics())
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		a := aggregate.NewArchive()
		for len(all) > 0 {
			n := 1 + rng.IntN(len(all))
			a = archived(t, a, all, aggregate.FoldOptions{}, all[:n]...)
			all = all[n:]
			rest := append(sources(all), a.Source("archive", nil))
			if got := exposition(t, mergeAll(t, rest...).Metrics()); got != want {
				t.Fatalf("round %d, %d left:\n%s\nwant\n%s", round, len(all), got, want)
			}
		}
	}
}

// Property: the gauges of dead processes stay for their time and leave then; and
// of the dead there are never more than the limit, over all families, the
// longest dead leaving first.
func TestDeadGauges(t *testing.T) {
	a := aggregate.NewArchive()
	for i := range int64(6) {
		f := process(i+1).as(fmt.Sprint(i)).dead().gauge(fmt.Sprint("g", i%2), mmapstore.All, 1)
		a = archived(t, a, []*fake{f}, aggregate.FoldOptions{Now: at(noon + i), MaxDeadGauges: 4}, f)
	}
	if got := samples(t, mergeAll(t, a.Source("archive", nil)).Metrics()); got != "g0{pid=\"2\"} 1\ng0{pid=\"4\"} 1\ng1{pid=\"3\"} 1\ng1{pid=\"5\"} 1" {
		t.Errorf("kept\n%s", got)
	}
	o := aggregate.FoldOptions{Now: at(noon + 4 + 600)}
	if !a.Expires(o) {
		t.Error("does not expire")
	}
	a = archived(t, a, nil, o)
	if got := samples(t, mergeAll(t, a.Source("archive", nil)).Metrics()); got != "g0{pid=\"4\"} 1\ng1{pid=\"5\"} 1" {
		t.Errorf("ten minutes later\n%s", got)
	}
}

// Property: ids stay listed for their time, those of lingering files and of the
// present commit for ever; Horizon tells since when the list is complete.
func TestAbsorbedIDs(t *testing.T) {
	a := aggregate.NewArchive()
	var all []*fake
	for i := range int64(4) {
		f := process(i+1).dead().counter("c", 1, 0)
		all = append(all, f)
		a = archived(t, a, []*fake{f}, aggregate.FoldOptions{Now: at(noon + i)}, f)
	}
	if len(a.Absorbed) != 4 || a.Horizon != 0 || a.Generation != 4 {
		t.Fatalf("generation %d, horizon %d, %d ids", a.Generation, a.Horizon, len(a.Absorbed))
	}
	o := aggregate.FoldOptions{Now: at(noon + 2 + 600), Lingering: map[mmapstore.ID]bool{all[0].id(): true}}
	if !a.Expires(o) {
		t.Error("does not expire")
	}
	a = archived(t, a, nil, o)
	if !a.Holds(all[0].id()) || a.Holds(all[1].id()) || !a.Holds(all[2].id()) || a.Horizon != 3 {
		t.Errorf("horizon %d, ids %v", a.Horizon, a.AbsorbedIDs())
	}
	o.KeepAllIDs, o.Now = true, at(noon+100_000)
	if next := archived(t, a, nil, o); a.Expires(o) || len(next.Absorbed) != len(a.Absorbed) {
		t.Error("ids expired although all were to be kept")
	}
}

// Property: a fold takes nothing of a source that cannot be read, and says so.
func TestFoldNeedsItsSources(t *testing.T) {
	f := process(1).dead().counter("c", 1, 0)
	f.err = mmapstore.ErrTruncated
	if _, _, err := aggregate.Fold(aggregate.NewArchive(), sources([]*fake{f}), map[mmapstore.ID]bool{f.id(): true}, aggregate.FoldOptions{}); err == nil {
		t.Error("folded what it could not read")
	}
	if _, err := aggregate.Freeze(f); err == nil {
		t.Error("froze what it could not read")
	}
}

// Property: the union of bounds ends at MaxBounds; beyond, counts go to the next
// larger bound, and none is lost.
func TestBoundsAreCapped(t *testing.T) {
	bounds := func(offset float64) []float64 {
		b := make([]float64, mmapstore.MaxBounds)
		for i := range b {
			b[i] = float64(i) + offset
		}
		return b
	}
	counts := make([]uint64, mmapstore.MaxBounds+1)
	for i := range counts {
		counts[i] = 1
	}
	a, b := process(1).dead().histogram("h", bounds(0), 1, counts...), process(2).dead().histogram("h", bounds(0.5), 1, counts...)
	archive := archived(t, aggregate.NewArchive(), []*fake{a, b}, aggregate.FoldOptions{}, a, b)
	for _, all := range [][]aggregate.Source{{a, b}, {archive.Source("archive", nil)}} {
		h := mergeAll(t, all...).Metrics()[0].Metric[0].Histogram
		if len(h.Bucket) != mmapstore.MaxBounds || h.GetSampleCount() != 2*(mmapstore.MaxBounds+1) {
			t.Fatalf("%d buckets, %d counts", len(h.Bucket), h.GetSampleCount())
		}
		// Of b, 0.5 goes with 1: under bound n lie n+1 of a and n of b.
		if got := h.Bucket[10].GetCumulativeCount(); got != 21 {
			t.Errorf("%d counts up to 10", got)
		}
	}
}

// Property: a merged series tells when it was created only if all its
// contributors do; then it is the earliest, archived or not.
func TestCreatedTimestamps(t *testing.T) {
	created := func(all ...aggregate.Source) string {
		return mergeAll(t, all...).Metrics()[0].Metric[0].Counter.GetCreatedTimestamp().String()
	}
	a, b := process(5).counter("c", 1, 0).dead(), process(7).counter("c", 1, 0)
	want := fmt.Sprint("seconds:", second(5)/int64(time.Second))
	archive := archived(t, aggregate.NewArchive(), []*fake{a, b}, aggregate.FoldOptions{}, a)
	for _, got := range []string{created(a, b), created(b, a), created(archive.Source("archive", nil), b)} {
		if strings.ReplaceAll(got, " ", "") != want {
			t.Errorf("created %q, want %q", got, want)
		}
	}
	b.schema.Series[0].Created = 0
	if got := created(a, b); got != "<nil>" {
		t.Errorf("created %q, although one does not tell", got)
	}
}

// Property: deletion and return, step by step. A deleted series leaves at once
// when no live process shows it; its counts are forgotten by a fold alone; and
// after that what comes back starts from zero, in the archive and in the files
// of the living, through any number of folds and their bytes.
func TestForgetAndReturn(t *testing.T) {
	old, live, other := process(1).dead().counter("c", 10, 0.5), process(2).counter("c", 20, 0.25), process(3).counter("c", 40, 0)
	a := aggregate.NewArchive()
	warm := aggregate.NewMerger(at(noon))
	clock := int64(noon)
	show := func(what, want string) {
		t.Helper()
		clock++
		for _, m := range []*aggregate.Merger{warm, aggregate.NewMerger(at(clock))} {
			all := []aggregate.Source{live, other, a.Source("archive", nil)}
			if !a.Holds(old.id()) {
				all = append(all, old)
			}
			if got := samples(t, mergeBy(t, m, all...).Metrics()); got != want {
				t.Fatalf("%s: %q, want %q", what, got, want)
			}
		}
	}
	fold := func(absorb ...*fake) {
		t.Helper()
		all := []*fake{live, other}
		if !a.Holds(old.id()) {
			all = append(all, old)
		}
		a = archived(t, a, all, aggregate.FoldOptions{Now: at(clock)}, absorb...)
	}
	warm = aggregate.NewMerger(func() time.Time { return time.Unix(0, second(clock)) })
	show("all show it", "c 70.75")
	live.remove(0, 100)
	show("one has deleted it", "c 70.75")
	fold(old)
	show("folded, another shows it still", "c 70.75")
	other.remove(0, 110)
	show("nobody shows it", "")
	live.resume(0, clock+1)
	show("back before a fold: with everything", "c 70.75")
	live.remove(0, clock)
	fold()
	show("forgotten", "")
	fold() // and the next commits remember
	fold()
	live.resume(0, clock+1)
	live.words[0] += 3
	show("back after a fold: from zero", "c 3")
	fold()
	live.words[1] = float(0.75)
	other.resume(0, clock+1)
	other.words[0]++
	show("the other is back as well", "c 4.5")
	other.dead()
	fold(other)
	other = process(9)
	show("one has died and is archived", "c 4.5")
}

// Property: what was forgotten of a file stays so while the file cannot be seen.
func TestForgottenOutlivesAbsence(t *testing.T) {
	f := process(1).counter("c", 5, 0).remove(0, 10)
	a := archived(t, aggregate.NewArchive(), []*fake{f}, aggregate.FoldOptions{})
	a = archived(t, a, nil, aggregate.FoldOptions{}) // without it
	f.resume(0, 20)
	f.words[0] += 2
	if got := samples(t, mergeAll(t, f, a.Source("archive", nil)).Metrics()); got != "c 2" {
		t.Errorf("%q", got)
	}
	f.dead()
	a = archived(t, a, []*fake{f}, aggregate.FoldOptions{}, f)
	if got := samples(t, mergeAll(t, a.Source("archive", nil)).Metrics()); got != "c 2" || len(a.History.Forgotten) > 0 {
		t.Errorf("archived: %q, still forgotten %v", got, a.History.Forgotten)
	}
}

// Property: a forgotten share in cells that somebody broke costs no more than
// what the cells hold.
func TestForgottenShareOfBrokenCells(t *testing.T) {
	f := process(1).counter("c", 50, 4).histogram("h", []float64{1}, 3, 5, 6).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(1), 9)
	for i := range 3 {
		f.remove(i, 10)
	}
	a := archived(t, aggregate.NewArchive(), []*fake{f}, aggregate.FoldOptions{})
	for i := range 3 {
		f.resume(i, noon)
	}
	copy(f.words, []uint64{7, float(1), float(3), 1, 6, float(1), 2})
	want := "c 1\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\ns_sum 0\ns_count 0"
	if got := samples(t, mergeAll(t, f, a.Source("archive", nil)).Metrics()); got != want {
		t.Errorf("got\n%s", got)
	}
	f.words[1] = float(nan)
	if r := mergeAll(t, f, a.Source("archive", nil)); samples(t, r.Metrics())[:3] != "c 0" || r.Invalid != 1 {
		t.Errorf("invalid %d, got\n%s", r.Invalid, samples(t, r.Metrics()))
	}
}

// Property: the example of docs/merge.md, row by row.
func TestDeletionExample(t *testing.T) {
	a, b, archive := process(1).counter("c", 10, 0), process(2).counter("c", 20, 0), aggregate.NewArchive()
	files := []*fake{a, b}
	for i, row := range []struct {
		event func()
		want  string
	}{
		{func() {}, "c 30"},
		{func() { a.remove(0, 10) }, "c 30"},
		{func() { b.dead() }, ""},
		{func() { a.resume(0, 20) }, "c 30"},
		{func() { a.remove(0, 30) }, ""},
		{func() { archive = archived(t, archive, files, aggregate.FoldOptions{}, b); files = files[:1] }, ""},
		{func() { a.resume(0, 40); a.words[0] += 3 }, "c 3"},
		{func() {
			archive = archived(t, archive, []*fake{a.dead()}, aggregate.FoldOptions{}, a)
			files = nil
		}, "c 3"},
	} {
		row.event()
		all := append(sources(files), archive.Source("archive", nil))
		if got := samples(t, mergeAll(t, all...).Metrics()); got != row.want {
			t.Errorf("row %d: %q, want %q", i, got, row.want)
		}
	}
}

// Property: a file that claims the id of the archive costs nobody anything but
// itself: what the archive holds is shown, and the next fold has it.
func TestFileWithTheArchivesID(t *testing.T) {
	old := process(1).dead().counter("c", 10, 0)
	a := archived(t, aggregate.NewArchive(), []*fake{old}, aggregate.FoldOptions{}, old)
	thief, good := process(2).counter("c", 1, 0), process(3).counter("c", 2, 0)
	thief.meta.ID = a.ID
	all := []*fake{thief, good}
	if got := samples(t, mergeAll(t, append(sources(all), a.Source("archive", nil))...).Metrics()); got != "c 13" {
		t.Errorf("merged: %s", got)
	}
	a = archived(t, a, all, aggregate.FoldOptions{}, good.dead())
	if got := samples(t, mergeAll(t, thief, a.Source("archive", nil)).Metrics()); got != "c 13" {
		t.Errorf("folded: %s", got)
	}
}
