//go:build attack && linux

package attack_test

import (
	"fmt"
	"testing"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/internal/rig"
)

// Property: hosts that one reader has folded come back to their directories after that
// reader has died and Redis has lost what it knew of them. As long as one reader lives that has
// read what was folded, they count exactly once: where Redis is empty or has what was published
// before; where they publish before the reader looks at Redis again; and where another
// reader, which knows nothing, has begun an archive meanwhile. The reader that lives never
// shows less than before.
func TestFleetReturns(t *testing.T) {
	for _, v := range []struct {
		name    string
		persist redistest.Persist
		early   bool // they come back before the reader looks
		rival   bool // a reader that knows nothing folds before
	}{
		{"None", redistest.None, false, false},
		{"RDB", redistest.RDB, false, false},
		{"NoneEarly", redistest.None, true, false},
		{"RDBEarly", redistest.RDB, true, false},
		{"NoneRival", redistest.None, false, true},
		{"NoneEarlyRival", redistest.None, true, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			f := newFleet(t, startFleetStore(t, v.persist, false))
			f.startGroups(3, 6)
			knower := f.startReader("--redis.interval=1h") // reads when it is scraped, and never folds
			folder := f.startReader(fleetInterval)
			f.awaitAll(knower)
			f.save()
			g := f.groups[1]
			f.awaitMore(g)
			g.stop()
			g.awaitFolded()
			var seen rig.Monotone
			f.mustGrow(&seen, knower)
			folder.Process().Kill()
			f.store.nodes[0].Kill()
			f.store.nodes[0].Restart()
			f.readers = f.readers[:1]
			if v.early {
				g.start()
				f.awaitPublished(g)
			}
			if v.rival {
				f.beginArchive()
			}
			f.mustGrow(&seen, knower)
			if !v.early {
				f.awaitMore(g)
				g.start()
			}
			f.calm()
			f.mustGrow(&seen, knower)
			f.tell()
		})
	}
}

// awaitMore waits until each host of the group has counted on.
func (f *fleet) awaitMore(g *fleetGroup) {
	f.t.Helper()
	for _, h := range g.hosts {
		n := h.acked.Load()
		rig.Await(f.t, patience, func() error {
			if h.acked.Load() < n+3 {
				return fmt.Errorf("host %d does not count", h.number)
			}
			return nil
		})
	}
}

// mustGrow has a reader read Redis, and holds what it shows to what it has shown.
func (f *fleet) mustGrow(seen *rig.Monotone, r *rig.Sidecar) {
	f.t.Helper()
	rig.Await(f.t, patience, func() error {
		got, err := f.fresh(r)
		if err != nil {
			return err
		}
		for _, fault := range append(seen.Check(got.App()), f.tooMuch(got)...) {
			f.t.Error(fault)
		}
		return nil
	})
}

// awaitPublished waits until the index has all hosts of a group.
func (f *fleet) awaitPublished(g *fleetGroup) {
	f.t.Helper()
	rig.Await(f.t, patience, func() error {
		all := f.index()
		for number, id := range g.ids(f.t) {
			if _, ok := all[id]; !ok {
				return fmt.Errorf("host %d is not published", number)
			}
		}
		return nil
	})
}

// beginArchive has a reader that knows nothing fold hosts that end for good.
func (f *fleet) beginArchive() {
	f.t.Helper()
	rival := f.startReader(fleetInterval)
	g := f.groups[2]
	g.ask(askEnd)
	f.awaitPublished(g)
	g.stop()
	g.over = true
	for _, h := range g.hosts {
		h.over = true
	}
	g.awaitFolded()
	f.awaitShown(rival, g.hosts)
}
