//go:build attack && linux

package attack_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/internal/rig"
)

// fleetEvent is what may happen. It reports false if it cannot now.
type fleetEvent struct {
	name   string
	weight int
	do     func(*fleet) bool
}

var fleetEvents = []fleetEvent{
	{"renew", 10, (*fleet).renew},
	{"leave", 10, (*fleet).leave},
	{"flap", 15, (*fleet).flap},
	{"reader", 15, (*fleet).strikeReader},
	{"redis", 15, (*fleet).strikeStore},
	{"end", 5, (*fleet).endFinally},
	{"bounce", 10, (*fleet).bounce},
	{"return", 5, (*fleet).returnFolded},
	{"leave", 10, (*fleet).leave},
	{"return at once", 5, (*fleet).returnAtOnce},
	{"die", 3, (*fleet).die},
	{"save", 5, (*fleet).save},
}

// happen is the next thing that goes wrong: one of each first, then what chance has.
func (f *fleet) happen() {
	f.t.Helper()
	next := fleetEvents[f.events%len(fleetEvents)]
	if f.events >= len(fleetEvents) {
		next = f.chance()
	}
	f.events++
	if next.do(f) {
		f.happens[next.name]++
	}
}

func (f *fleet) chance() fleetEvent {
	total := 0
	for _, e := range fleetEvents {
		total += e.weight
	}
	n := f.rng.IntN(total)
	for _, e := range fleetEvents {
		if n -= e.weight; n < 0 {
			return e
		}
	}
	panic("not reached")
}

// pick is one of the groups that are as it is asked, nil if there is none.
func (f *fleet) pick(as func(*fleetGroup) bool) *fleetGroup {
	var all []*fleetGroup
	for _, g := range f.groups {
		if !g.over && as(g) {
			all = append(all, g)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[f.rng.IntN(len(all))]
}

func published(g *fleetGroup) bool { return g.publisher != nil }

// mayStop: an ephemeral one must not come back from a good end.
func mayStop(g *fleetGroup) bool { return g.publisher != nil && !g.ephemeral }

func away(g *fleetGroup) bool { return g.publisher == nil }

// renew ends the process of a host, and another follows. The archiver beside the publisher
// folds the one that is gone.
func (f *fleet) renew() bool {
	g := f.pick(func(*fleetGroup) bool { return true })
	h := g.hosts[f.rng.IntN(len(g.hosts))]
	h.writer.ask(f.t, askRenew, h.number)
	h.life++
	return true
}

// flap kills a publisher, and another follows.
func (f *fleet) flap() bool {
	g := f.pick(published)
	g.kill()
	g.start()
	return true
}

// leave kills a publisher. Its hosts go on counting.
func (f *fleet) leave() bool {
	if n := len(slices.DeleteFunc(slices.Clone(f.groups), func(g *fleetGroup) bool { return g.over || !away(g) })); n > 1 {
		return false
	}
	f.pick(published).kill()
	return true
}

// returnAtOnce has a publisher come back that may have been folded or not.
func (f *fleet) returnAtOnce() bool {
	g := f.pick(away)
	if g == nil {
		return false
	}
	f.comeBack(g)
	return true
}

// returnFolded has a publisher come back whose hosts were folded.
func (f *fleet) returnFolded() bool {
	g := f.pick(away)
	if g == nil {
		return false
	}
	g.awaitFolded()
	f.comeBack(g)
	return true
}

// bounce ends a publisher in good order, and another follows, before the hosts are folded or
// after.
func (f *fleet) bounce() bool {
	g := f.pick(mayStop)
	if g == nil {
		return false
	}
	g.stop()
	switch f.rng.IntN(3) {
	case 0:
		f.strikeReader() // which may be folding the hosts
	case 1:
		g.awaitFolded()
	}
	f.comeBack(g)
	return true
}

// comeBack starts a publisher on directories that were published. Where Redis may lose all,
// readers must have seen what was published last under the ids before.
func (f *fleet) comeBack(g *fleetGroup) {
	f.t.Helper()
	if !f.keeps() {
		for _, r := range f.readers {
			f.awaitKnown(r)
		}
	}
	g.start()
}

// endFinally ends hosts for good, in good order.
func (f *fleet) endFinally() bool {
	g := f.pick(func(g *fleetGroup) bool { return g.ephemeral && g.publisher != nil })
	if g == nil {
		g = f.pick(mayStop)
	}
	if g == nil || f.ended > 1 {
		return false
	}
	g.ask(askEnd)
	g.stop()
	f.ended++
	f.isOver(g)
	f.strikeReader() // which may be folding the hosts
	return true
}

// die ends hosts for good without a word: the host's power fails, just after what it
// counted last was published.
func (f *fleet) die() bool {
	g := f.pick(published)
	if f.died > 0 {
		return false
	}
	g.ask(askPause)
	for _, r := range f.readers {
		f.awaitShown(r, g.hosts)
	}
	g.kill()
	g.ask(askEnd)
	f.died++
	f.isOver(g)
	return true
}

func (f *fleet) isOver(g *fleetGroup) {
	f.t.Helper()
	g.over = true
	for _, h := range g.hosts {
		h.over = true
	}
	if !f.keeps() {
		for _, r := range f.readers {
			f.awaitKnown(r)
		}
	}
}

// awaitShown waits until the reader has read all that hosts at rest have counted.
func (f *fleet) awaitShown(r *rig.Sidecar, hosts []*fleetHost) {
	f.t.Helper()
	rig.Await(f.t, patience, func() error {
		got, err := f.fresh(r)
		if err != nil {
			return err
		}
		for _, h := range hosts {
			if shown := got[ownSeries(h)].Value; shown != float64(h.acked.Load()) {
				return fmt.Errorf("of host %d %v batches are shown, acknowledged %d", h.number, shown, h.acked.Load())
			}
		}
		return nil
	})
}

// awaitKnown waits until the reader has read what Redis has, and all of hosts that are gone.
func (f *fleet) awaitKnown(r *rig.Sidecar) {
	f.t.Helper()
	f.awaitShown(r, slices.DeleteFunc(slices.Clone(f.hosts), func(h *fleetHost) bool { return !h.over }))
}

// strikeReader kills a reader at any moment, and another follows.
func (f *fleet) strikeReader() bool {
	time.Sleep(time.Duration(f.rng.IntN(300)) * time.Millisecond) // a round of folding
	f.readers[f.rng.IntN(len(f.readers))].Restart(f.t)
	return true
}

// strikeStore kills Redis, and whoever else happens to die meanwhile.
func (f *fleet) strikeStore() bool {
	n := f.store.main
	if f.rng.IntN(4) == 0 {
		n = f.rng.IntN(len(f.store.nodes))
	}
	survivor := f.rng.IntN(len(f.readers))
	if !f.keeps() {
		f.awaitKnown(f.readers[survivor])
	}
	f.store.nodes[n].Kill()
	for range f.rng.IntN(3) {
		f.meanwhile(survivor)
	}
	f.store.nodes[n].Restart()
	f.store.whole()
	if !f.keeps() {
		f.awaitKnown(f.readers[survivor])
	}
	return true
}

// meanwhile is what happens while Redis is away.
func (f *fleet) meanwhile(survivor int) {
	f.t.Helper()
	i := f.rng.IntN(len(f.readers))
	switch g := f.pick(away); {
	case g != nil && f.rng.IntN(2) == 0:
		g.start() // and publishes at once when Redis is there
	case f.rng.IntN(2) == 0:
		f.flap()
	case f.keeps() || i != survivor:
		f.readers[i].Restart(f.t)
	}
}

// save has Redis come back with what there is now after the next kill.
func (f *fleet) save() bool {
	if f.store.persist == redistest.RDB {
		f.store.save(f.t)
	}
	return true
}

// tell says what happened, and what promfold said of it.
func (f *fleet) tell() {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f.happens)) {
		all = append(all, fmt.Sprintf("%s %d", name, f.happens[name]))
	}
	f.t.Logf("%d events: %s; %d batches", f.events, strings.Join(all, ", "), f.batches())
	var log strings.Builder
	for _, g := range f.groups {
		log.WriteString(g.log.String())
		if g.publisher != nil {
			log.WriteString(g.publisher.Out.String())
		}
	}
	for _, r := range f.readers {
		log.WriteString(r.Stop(f.t))
	}
	for what, said := range map[string]string{
		"hosts came back as others": "comes back as another", "hosts came back without a base": "does not know any more with which counts",
		"readers put back what Redis had lost": "it was put back", "readers had lost hosts": "that nobody knows any more",
	} {
		f.t.Logf("%s: %d times", what, strings.Count(log.String(), said))
	}
}
