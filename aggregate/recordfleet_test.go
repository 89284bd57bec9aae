package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// fleet is a run of several hosts, each of which records itself now and then. Some leave
// and are folded.
type fleet struct {
	t       *testing.T
	choose  func(n int) int
	clock   int64 // seconds; every event has one of its own
	hosts   []*fleetHost
	archive *aggregate.Archive
	warm    *aggregate.Merger // reads all the time
}

type fleetHost struct {
	*schedule
	number   int
	recorder *aggregate.Recorder
	made     *aggregate.Archive // the last record
	read     *aggregate.Archive // as its readers have it
	gone     bool
	folded   bool
}

func newFleet(t *testing.T, choose func(int) int) *fleet {
	f := &fleet{t: t, choose: choose, archive: aggregate.NewArchive()}
	f.warm = aggregate.NewMerger(f.now).InLanes()
	return f
}

func (f *fleet) now() time.Time { return time.Unix(0, second(f.clock)) }

func (f *fleet) step() {
	switch n := f.choose(24); {
	case n == 0 && len(f.hosts) < 6 || len(f.hosts) == 0:
		f.hosts = append(f.hosts, &fleetHost{
			schedule: newSchedule(f.t, f.choose), number: len(f.hosts), recorder: aggregate.NewRecorder(f.now),
		})
	case n == 1:
		f.leave(f.hosts[f.choose(len(f.hosts))])
	case n < 5:
		f.read()
	default:
		if h := f.hosts[f.choose(len(f.hosts))]; !h.gone {
			h.clock = f.clock
			h.happen()
			f.clock = h.clock
		}
	}
}

// happen is one event on a host.
func (h *fleetHost) happen() {
	h.clock++
	switch n := h.choose(20); {
	case n < 4:
		h.birth()
		h.name()
	case n < 6:
		if f := h.someone(); f != nil {
			f.dead()
		}
	case n < 8:
		h.remove()
	case n < 10:
		if !slices.ContainsFunc(h.model.shares, func(s *share) bool { return s.deletedAt != 0 }) {
			h.fold() // otherwise it might forget what others have never heard of
		}
	default:
		h.write()
	}
}

// name gives the process that was born last an identity that no living one has.
func (h *fleetHost) name() {
	if len(h.files) == 0 {
		return
	}
	f, suffix := h.files[len(h.files)-1], fmt.Sprintf(" on %d", h.number)
	if strings.HasSuffix(f.meta.Identity, suffix) {
		return
	}
	taken := map[string]bool{}
	for _, o := range h.files {
		taken[o.meta.Identity] = true
	}
	for i := 0; ; i++ {
		if name := fmt.Sprint(i, suffix); !taken[name] {
			f.as(name)
			return
		}
	}
}

// leave lets the host go, or folds it when it has gone.
func (f *fleet) leave(h *fleetHost) {
	f.clock++
	switch {
	case !h.gone:
		h.publish()
		h.gone = true
		for _, process := range h.files {
			process.dead()
		}
	case !h.folded:
		o := aggregate.FoldOptions{Now: f.now, DeadGauges: time.Hour * 1e5}
		f.archive, h.folded = folded(f.t, f.archive, h.source(), o), true
	}
}

// publish makes a record, of which readers fetch no more than what is new.
func (h *fleetHost) publish() {
	made, _ := h.recorder.Record(append(sources(h.files), h.old.Source("archive", nil)))
	if h.made != nil && sameLayout(made, h.made) {
		h.read = &aggregate.Archive{Schema: h.read.Schema, History: h.read.History, Words: made.Words}
	} else {
		again, err := aggregate.DecodeArchive(made.Encode())
		if err != nil {
			h.t.Fatal(err)
		}
		h.read = again
	}
	h.made = made
}

func sameLayout(a, b *aggregate.Archive) bool {
	return len(a.Schema.Series) == len(b.Schema.Series) && len(a.Schema.Series) > 0 &&
		&a.Schema.Series[0] == &b.Schema.Series[0] && &a.History.Series[0] == &b.History.Series[0]
}

func (h *fleetHost) source() aggregate.Source {
	if h.gone {
		return host(h.number, mmapstore.Dead, h.read)
	}
	return host(h.number, mmapstore.Alive, h.read)
}

// read holds two readers to one merge of all that is on the hosts: one that has followed
// them all along, and one that meets the records for the first time, in another order.
func (f *fleet) read() {
	f.clock++
	var all []aggregate.Source
	records := []aggregate.Source{f.archive.Source("archive", nil)}
	for _, h := range f.hosts {
		all = append(append(all, sources(h.files)...), h.old.Source("archive", nil))
		if !h.gone {
			h.publish()
		}
		if !h.folded {
			records = append(records, h.source())
		}
	}
	want := withoutTorn(mergeBy(f.t, aggregate.NewMerger(f.now), all...))
	f.compare("warm", f.warm, records, want)
	shuffle(f.choose, records)
	f.compare("fresh", aggregate.NewMerger(f.now), records, want)
}

func (f *fleet) compare(who string, m *aggregate.Merger, records []aggregate.Source, want *aggregate.Result) {
	f.t.Helper()
	if got, want := shown(withoutTorn(mergeBy(f.t, m, records...))), shown(want); got != want {
		f.t.Fatalf("at %d a %s reader shows\n%s\nwant\n%s", f.clock, who, got, want)
	}
}

// Property: whatever happens on hosts (births, deaths, counts, deletions, archiving),
// and whenever hosts leave and are folded, their records come to what one merge of all their
// processes would, to a reader that has followed them and to a new one.
func TestFleetEqualsOneMerge(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 14))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f := newFleet(t, rng.IntN)
			for range 250 {
				f.step()
			}
			f.read()
		})
	}
}
