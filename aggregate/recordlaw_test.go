package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// group is the processes and the archive of one host.
type group struct {
	fakes   []*fake
	archive *aggregate.Archive // nil: none
	state   mmapstore.State
}

// sources are those of the group, as if all had died with the host if it has.
func (g *group) sources() (all []aggregate.Source) {
	for _, f := range g.fakes {
		if g.state == mmapstore.Dead {
			copied := *f
			f = copied.dead()
		}
		all = append(all, f)
	}
	if g.archive != nil {
		all = append(all, g.archive.Source("archive", nil))
	}
	return all
}

// replaced reports whether the host is gone, and a dead process had the identity of one that
// lived when the host made its last record. That has the gauges of the latter, the other way
// round than if both had always been dead.
func (g *group) replaced() bool {
	return g.state == mmapstore.Dead && slices.ContainsFunc(g.fakes, func(f *fake) bool {
		return slices.ContainsFunc(g.fakes, func(o *fake) bool {
			return o.meta.Identity == f.meta.Identity && o.meta.State != f.meta.State
		})
	})
}

// hold compares a merge of the hosts' records with one merge of all that they have.
//
// Of a gauge about whose mode processes disagree, each record holds what its own by each
// of the modes come to. That is what it would be in an archive, so it is the same only
// if all hosts are gone.
func hold(t *testing.T, groups []*group) {
	t.Helper()
	var all, records []aggregate.Source
	gone := true
	for i, g := range groups {
		all = append(all, g.sources()...)
		live := *g
		live.state = mmapstore.Alive // when it made its last record
		records = append(records, host(i, g.state, recordOf(t, live.sources()...)))
		gone = gone && g.state == mmapstore.Dead
	}
	want, got := mergeAll(t, all...), mergeAll(t, records...)
	if !gone {
		withoutTorn(want)
		withoutTorn(got)
	}
	if got, want := shown(got), shown(want); got != want {
		t.Fatalf("the records come to\n%s\nwant\n%s", got, want)
	}
}

// withoutTorn drops the families about whose mode sources disagree.
func withoutTorn(r *aggregate.Result) *aggregate.Result {
	r.Families = slices.DeleteFunc(r.Families, func(f aggregate.Family) bool {
		return slices.Contains(r.Conflicts, aggregate.Conflict{Family: f.Name, Kind: aggregate.ModeConflict})
	})
	return r
}

// Property: each law of the merge holds over the records of two hosts as well, whoever
// of the processes is on which of them, and if one host or both are gone.
func TestLawsOverRecords(t *testing.T) {
	for _, laws := range [][]law{gaugeLaws, cumulativeLaws, conflictLaws} {
		for _, l := range laws {
			t.Run(l.name, func(t *testing.T) {
				for chosen := range 1 << len(l.fakes) {
					for states := range 4 {
						l.holdOverRecords(t, chosen, states)
					}
				}
			})
		}
	}
}

func (l law) holdOverRecords(t *testing.T, chosen, states int) {
	groups := []*group{{state: mmapstore.Alive}, {state: mmapstore.Alive}}
	where := map[mmapstore.ID]int{}
	for i, f := range l.fakes {
		n := chosen >> i & 1
		if other, ok := where[f.id()]; ok && other != n {
			return // a process is on one host
		}
		where[f.id()] = n
		f := *f
		f.meta.Identity = fmt.Sprintf("%s on %d", f.meta.Identity, n) // which has a name
		groups[n].fakes = append(groups[n].fakes, &f)
	}
	for i, g := range groups {
		if states>>i&1 == 1 {
			g.state = mmapstore.Dead
		}
		if g.replaced() {
			return
		}
	}
	hold(t, groups)
}

// process is one that may live; then nobody else has its identity.
func (c *chooser) process(born int64, host int) *fake {
	f := c.dead(born).as(fmt.Sprintf("%d on %d", c.of(3), host))
	if c.of(2) == 0 {
		f.meta.State = mmapstore.Alive
		f.as(fmt.Sprintf("process %d on %d", born, host))
	}
	return f
}

// hosts is a fleet of some.
func (c *chooser) hosts(t *testing.T) []*group {
	var groups []*group
	born := int64(0)
	for i := range 1 + c.of(3) {
		g := &group{state: []mmapstore.State{mmapstore.Alive, mmapstore.Alive, mmapstore.Dead}[c.of(3)]}
		for range 1 + c.of(4) {
			born++
			g.fakes = append(g.fakes, c.process(born, i))
		}
		if c.of(2) == 0 {
			g.fold(t, c)
		}
		g.remove(c)
		groups = append(groups, g)
	}
	return groups
}

// fold archives some of the dead.
func (g *group) fold(t *testing.T, c *chooser) {
	var absorb []*fake
	all := slices.Clone(g.fakes)
	g.fakes = slices.DeleteFunc(g.fakes, func(f *fake) bool {
		gone := f.meta.State == mmapstore.Dead && c.of(3) > 0
		if gone {
			absorb = append(absorb, f)
		}
		return gone
	})
	g.archive = archived(t, aggregate.NewArchive(), all, aggregate.FoldOptions{}, absorb...)
}

// remove deletes some series, after the archive was made: it has not forgotten them.
func (g *group) remove(c *chooser) {
	for _, f := range g.fakes {
		for i := range f.schema.Series {
			if c.of(8) == 1 {
				f.remove(i, int64(c.of(16)))
			}
		}
	}
}

// Property: the records of hosts come to what all that is on them would, of whatever
// types, modes, bounds and values, archived or not, if hosts are gone as well.
func FuzzRecords(f *testing.F) {
	for seed := range uint64(12) {
		f.Add(randomBytes(seed, 11, 40+20*int(seed)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		hold(t, (&chooser{b}).hosts(t))
	})
}

// Property: as FuzzRecords, for some hundred fleets.
func TestRecordsOfRandomFleets(t *testing.T) {
	seeds := uint64(600)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			hold(t, (&chooser{randomBytes(seed, 12, 300)}).hosts(t))
		})
	}
}

func randomBytes(seed, stream uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, stream))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
