package aggregate_test

import (
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a host whose clock is ahead claims no more of the future than the moment at which
// its gauge was first seen: once it is folded, whoever sets the gauge after that is the latest.
func TestFoldOfAHostThatIsAhead(t *testing.T) {
	ahead := host(2, mmapstore.Dead, recordOf(t, process(2).gauge("g", mmapstore.Latest, 6, 900)))
	a := folded(t, aggregate.NewArchive(), ahead, aggregate.FoldOptions{Now: at(220)})
	for set, want := range map[int64]string{210: "g 6", 300: "g 5"} {
		other := host(1, mmapstore.Alive, recordOf(t, process(1).gauge("g", mmapstore.Latest, 5, set)))
		m := aggregate.NewMerger(at(310))
		if got := samples(t, mergeBy(t, m, a.Source("archive", nil), other).Metrics()); got != want {
			t.Errorf("set at %d by another: %s, want %s", set, got, want)
		}
	}
}

// Property: what the archive of a fleet forgets after a deletion it forgets of itself: of a
// host that is there, and whose record goes on with all that it has counted, nothing is missing when the
// series comes back.
func TestFoldForgetsNothingOfRecords(t *testing.T) {
	gone, deletes := process(1).counter("c", 1, 0).dead(), process(2).counter("c", 7, 0)
	fleet := folded(t, aggregate.NewArchive(), host(1, mmapstore.Dead, recordOf(t, gone)), aggregate.FoldOptions{Now: at(noon)})
	deletes.remove(0, 10)
	next, changed, err := aggregate.Fold(fleet, []aggregate.Source{host(2, mmapstore.Alive, recordOf(t, deletes))}, nil, aggregate.FoldOptions{Now: at(noon)})
	if err != nil || !changed {
		t.Fatalf("changed: %v, %v", changed, err)
	}
	deletes.resume(0, 11)
	deletes.words[0] = 9
	alone := samples(t, mergeAll(t, deletes).Metrics())
	now := host(2, mmapstore.Alive, recordOf(t, deletes))
	if got := samples(t, mergeAll(t, next.Source("archive", nil), now).Metrics()); got != alone || alone != "c 9" {
		t.Errorf("%s, and the host alone shows %s", got, alone)
	}
}

// Property: the gauge of a process that is dead has its time from its death on, in whichever
// archives and records it is, however often they are made anew.
func TestDeadGaugeHasItsTimeOnce(t *testing.T) {
	process := process(1).as("a").gauge("g", mmapstore.All, 1).dead()
	archive := archived(t, aggregate.NewArchive(), []*fake{process}, aggregate.FoldOptions{Now: at(10)}, process)
	shows := func(recorded, folds int64) string {
		r := record(t, aggregate.NewRecorder(at(recorded)), archive.Source("archive", nil))
		o := aggregate.FoldOptions{Now: at(folds), DeadGauges: 10 * time.Minute, Partial: true}
		return samples(t, mergeAll(t, folded(t, aggregate.NewArchive(), host(1, mmapstore.Dead, r), o).Source("fleet", nil)).Metrics())
	}
	for _, c := range []struct {
		recorded, folds int64
		want            string
	}{
		{500, 600, `g{pid="a"} 1`},
		{500, 620, ""},
		{20, 620, ""},
	} {
		if got := shows(c.recorded, c.folds); got != c.want {
			t.Errorf("recorded at %d, folded at %d: %q, want %q", c.recorded, c.folds, got, c.want)
		}
	}
}

// Property: while processes disagree, and a dead one has a gauge that nobody has archived, records share
// their layout all the same as long as only values change, and are the same in bytes if none does.
func TestRecordsOfADisagreementShareTheirLayout(t *testing.T) {
	now := int64(noon)
	r := aggregate.NewRecorder(func() time.Time { now++; return time.Unix(0, second(now)) })
	largest, dead := process(1).gauge("g", mmapstore.Max, 1), process(3).as("a").gauge("p", mmapstore.All, 1).dead()
	all := []*fake{largest, process(2).gauge("g", mmapstore.Sum, 1), process(4).gauge("m", mmapstore.Max, 1), process(5).counter("m", 1, 0), dead}
	first, _ := r.Record(sources(all))
	second, _ := r.Record(sources(all))
	first.ID, second.ID = mmapstore.ID{}, mmapstore.ID{}
	if !sameLayout(first, second) || string(first.Encode()) != string(second.Encode()) {
		t.Error("another record though nothing has changed")
	}
	largest.words[1] = float(5)
	third, _ := r.Record(sources(all))
	if !sameLayout(second, third) || string(second.Encode()) == string(third.Encode()) {
		t.Error("a value makes another layout, or none at all")
	}
	all = all[:4]
	if fourth, _ := r.Record(sources(all)); sameLayout(third, fourth) {
		t.Error("the layout is the same without the dead")
	}
}
