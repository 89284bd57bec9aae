package aggregate_test

import (
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a younger process of the same families and series, on one of two hosts that
// disagree about a type, decides for a reader that has followed both as for a new one.
func TestBirthBehindTheSameLayout(t *testing.T) {
	older := process(1).counter("m", 1, 0)
	other := host(2, mmapstore.Alive, recordOf(t, process(2).gauge("m", mmapstore.Max, 7)))
	warm, recorder := aggregate.NewMerger(at(noon)), aggregate.NewRecorder(at(noon))
	for _, look := range []struct {
		fakes []*fake
		want  string
	}{
		{[]*fake{older}, "m 7"},
		{[]*fake{older, process(3).counter("m", 5, 0)}, "m 6"},
		{[]*fake{older}, "m 7"},
	} {
		all := []aggregate.Source{host(1, mmapstore.Alive, record(t, recorder, sources(look.fakes)...)), other}
		if got := samples(t, mergeBy(t, warm, all...).Metrics()); got != look.want {
			t.Errorf("%s, want %s", got, look.want)
		}
	}
}

// Property: what a host deleted leaves the exposition of the fleet as it left the host's own,
// and comes back with it.
func TestDeletionOnAnotherHost(t *testing.T) {
	dead, deletes := process(1).counter("c", 1, 0).dead(), process(2).counter("c", 7, 0)
	shows := func(want string) {
		t.Helper()
		for name, all := range map[string][]aggregate.Source{
			"one host":  {host(1, mmapstore.Alive, recordOf(t, dead, deletes))},
			"two hosts": {host(1, mmapstore.Alive, recordOf(t, dead)), host(2, mmapstore.Alive, recordOf(t, deletes))},
		} {
			if got := samples(t, mergeAll(t, all...).Metrics()); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	shows("c 8")
	deletes.remove(0, 10)
	shows("")
	deletes.resume(0, 11)
	shows("c 8")
}

// Property: that nobody shows a series any more does not make the archive of a fleet expire
// over and over.
func TestFoldOfADeadCounterIsAtRest(t *testing.T) {
	r := recordOf(t, process(1).counter("c", 1, 0).dead())
	a := folded(t, aggregate.NewArchive(), host(1, mmapstore.Dead, r), aggregate.FoldOptions{Now: at(noon)})
	if a.Expires(aggregate.FoldOptions{Now: at(noon + 1), KeepAllIDs: true}) {
		t.Error("the archive expires")
	}
}

// Property: the gauge of a process that lived when its host was last heard of has its time from
// then on, whoever had the identity before.
func TestGaugeOfAHostThatIsGoneHasItsTime(t *testing.T) {
	before := process(1).as("a").gauge("g", mmapstore.All, 1).dead()
	archive := archived(t, aggregate.NewArchive(), []*fake{before}, aggregate.FoldOptions{Now: at(10)}, before)
	r := recordOf(t, archive.Source("archive", nil), process(2).as("a").gauge("g", mmapstore.All, 2))
	o := aggregate.FoldOptions{Now: at(noon), DeadGauges: time.Minute}
	a := folded(t, aggregate.NewArchive(), host(1, mmapstore.Dead, r), o)
	if got := samples(t, mergeAll(t, a.Source("archive", nil)).Metrics()); got != `g{pid="a"} 2` {
		t.Errorf("%q", got)
	}
}
