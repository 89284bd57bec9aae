//go:build attack && linux

package attack_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/internal/rig"
)

var (
	fleetTime   = flag.Duration("fleet-time", 15*time.Second, "how long each fleet is under attack")
	fleetHosts  = flag.Int("fleet-hosts", 50, "how many hosts a fleet has; at most 250")
	fleetSeries = flag.Int("fleet-series", 2000, "how many series each of them has")
	fleetSeed   = flag.Uint64("fleet-seed", 1, "what chance makes of it")
)

const (
	fleetInterval = "--redis.interval=300ms"
	fleetTTL      = "--redis.host-ttl=3s"
)

// fleet is hosts that count, publishers, a store and readers.
type fleet struct {
	t       *testing.T
	rng     *rand.Rand
	store   *fleetStore
	hosts   []*fleetHost
	groups  []*fleetGroup
	readers []*rig.Sidecar

	events, ended, died int
	happens             map[string]int // by what it was
}

// keeps: all that Redis has acknowledged it has after a kill too.
func (f *fleet) keeps() bool { return f.store.persist == redistest.AOF }

// Property: hosts publish while publishers, readers and Redis itself are killed at
// random moments. Some hosts end for good, in good order or not; others come back to
// their directories, before they were folded or after. When all are up, and nobody counts
// any more, every reader shows exactly what was acknowledged, of those too that have
// ended; after all hosts that are gone are folded as well, and so does a reader that knows
// nothing but what is in Redis. For what holds all the while, see fleetWatch.
//
// Redis that does not keep all (RDB, None) is killed only while a reader lives that has
// read what hosts had published that are gone, and it lives until it has put that back.
func TestFleet(t *testing.T) {
	for _, v := range []struct {
		name      string
		persist   redistest.Persist
		clustered bool
		readers   int
	}{
		{"AOF", redistest.AOF, false, 3},
		{"RDB", redistest.RDB, false, 2},
		{"None", redistest.None, false, 3},
		{"ClusterAOF", redistest.AOF, true, 2},
		{"ClusterNone", redistest.None, true, 3},
	} {
		t.Run(v.name, func(t *testing.T) {
			f := newFleet(t, startFleetStore(t, v.persist, v.clustered))
			f.startGroups(10, *fleetHosts)
			for range v.readers {
				f.startReader(fleetInterval)
			}
			f.attack()
		})
	}
}

func newFleet(t *testing.T, s *fleetStore) *fleet {
	return &fleet{t: t, rng: rand.New(rand.NewPCG(*fleetSeed, 7)), store: s, happens: make(map[string]int)}
}

func (f *fleet) startReader(interval string) *rig.Sidecar {
	f.t.Helper()
	r := rig.StartAs(f.t, rig.Command{Args: []string{
		promfold(), "serve", "--redis.url=" + f.store.url, "--redis.source", "--redis.namespace=" + fleetNamespace,
		"--web.listen-address=127.0.0.1:0", interval, fleetTTL,
	}})
	f.readers = append(f.readers, r)
	return r
}

func (f *fleet) attack() {
	f.t.Helper()
	w := f.watch()
	for _, r := range f.readers {
		f.awaitAll(r)
	}
	for began := time.Now(); time.Since(began) < *fleetTime || f.events < len(fleetEvents); {
		f.happen()
	}
	f.calm()
	w.stop(f.t)
	f.tell()
}

// awaitAll waits until the reader has seen every host.
func (f *fleet) awaitAll(r *rig.Sidecar) {
	f.t.Helper()
	rig.Await(f.t, 2*patience, func() error {
		got, err := r.Scrape()
		if err != nil {
			return err
		}
		for _, h := range f.hosts {
			if got[ownSeries(h)].Value == 0 {
				return fmt.Errorf("host %d is not there", h.number)
			}
		}
		return nil
	})
}

// calm brings all up, lets everybody rest, and holds the readers to the ledger.
func (f *fleet) calm() {
	f.t.Helper()
	for _, g := range f.groups {
		if g.publisher == nil && !g.over {
			g.start()
		}
	}
	for _, h := range f.hosts {
		if !h.over {
			h.writer.ask(f.t, askPause, h.number)
		}
	}
	f.awaitExact("all is up")
	f.awaitAllFolded()
	f.awaitExact("all that are gone are folded")
	for _, r := range f.readers {
		r.Restart(f.t)
	}
	f.awaitExact("all readers are started anew")
	if f.keeps() {
		f.store.nodes[f.store.main].Kill()
		f.store.nodes[f.store.main].Restart()
		f.store.whole()
		f.awaitExact("Redis was killed once more")
	}
}

// awaitExact waits until all readers show the ledger.
func (f *fleet) awaitExact(when string) {
	f.t.Helper()
	for i, r := range f.readers {
		rig.Await(f.t, patience, func() error {
			got, err := r.Scrape()
			if err != nil {
				return err
			}
			if wrong := f.wrong(got); len(wrong) > 0 {
				return fmt.Errorf("when %s, at reader %d %d series are wrong:\n%s", when, i, len(wrong), strings.Join(wrong[:min(8, len(wrong))], "\n"))
			}
			return nil
		})
	}
}

// awaitAllFolded waits until the hosts that live are the only ones.
func (f *fleet) awaitAllFolded() {
	f.t.Helper()
	live := 0
	for _, h := range f.hosts {
		if !h.over {
			live++
		}
	}
	rig.Await(f.t, patience, func() error {
		if all := f.index(); len(all) != live+1 { // and the archive
			return fmt.Errorf("the index has %d fields, and %d hosts live", len(all), live)
		}
		return nil
	})
}

// fresh is what a reader shows that has read from Redis since the call.
func (f *fleet) fresh(r *rig.Sidecar) (got rig.Samples, err error) {
	const series = "promfold_redis_read_failures_total"
	var failures []float64
	for range 3 { // a scrape may tell of its own reading or only of the one before
		if got, err = r.Scrape(); err != nil {
			return nil, err
		}
		failures = append(failures, got.Sum(series))
	}
	if failures[0] != failures[2] || got.Sum("promfold_redis_up") != 1 {
		return nil, errors.New("the reader cannot read Redis")
	}
	return got, nil
}
