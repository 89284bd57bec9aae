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

// Property: what a record says of a deletion after the archiver has forgotten the series does
// not make it older, where others have it, than it is.
func TestForgottenSeriesIsNoOlder(t *testing.T) {
	deletes, dead := process(1).counter("c", 7, 0), process(2).counter("c", 1, 0).dead()
	deletes.remove(0, 10)
	archive := archived(t, aggregate.NewArchive(), []*fake{deletes, dead}, aggregate.FoldOptions{}, dead)
	one := recordOf(t, archive.Source("archive", nil), deletes)
	two := recordOf(t, process(20).counter("c", 3, 0))
	r := mergeAll(t, host(1, mmapstore.Alive, one), host(2, mmapstore.Alive, two))
	if got := samples(t, r.Metrics()); got != "c 3" {
		t.Errorf("%q", got)
	}
	if created := r.Metrics()[0].Metric[0].Counter.CreatedTimestamp.AsTime().UnixNano(); created != second(10) {
		t.Errorf("created at %d", created)
	}
}

// Property: where hosts disagree whether a gauge is of each process, only what the younger
// one has is shown: a series with pid has no place among others, nor the other way round.
func TestPerProcessOnOneHostOnly(t *testing.T) {
	all := func(born int64) *fake { return process(born).as("a").gauge("g", mmapstore.All, 1) }
	largest := func(born int64) *fake { return process(born).gauge("g", mmapstore.Max, 2) }
	for _, c := range []struct {
		older, younger *fake
		want           string
	}{
		{all(1), largest(2), "g 2"},
		{largest(1), all(2), `g{pid="a"} 1`},
		{process(1).gauge("g", mmapstore.Sum, 3), largest(2), "g 3"}, // these go by the younger one's law
	} {
		r := mergeAll(t, host(1, mmapstore.Alive, recordOf(t, c.older)), host(2, mmapstore.Alive, recordOf(t, c.younger)))
		if got := samples(t, r.Metrics()); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
