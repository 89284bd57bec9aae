//go:build attack && linux

package attack_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// fleetWatch scrapes the readers all the time, each in a goroutine of its own.
//
// Properties: at each reader nothing cumulative goes down or leaves, while it lives,
// and across its deaths too if Redis keeps all; nothing shows more than was
// counted; and a reader that has answered once answers always.
type fleetWatch struct {
	fleet  *fleet
	quit   chan struct{}
	ended  sync.WaitGroup
	faults rig.Faults

	mu       sync.Mutex // guards the rest
	scrapes  int
	slowest  time.Duration
	forgiven int
}

// watch begins to scrape. It ends by stop, which the test must call.
func (f *fleet) watch() *fleetWatch {
	w := &fleetWatch{fleet: f, quit: make(chan struct{})}
	for i, r := range f.readers {
		w.ended.Go(func() { w.follow(fmt.Sprint("reader ", i), r) })
	}
	f.t.Cleanup(w.end)
	return w
}

// readerLife is what is remembered of one reader.
type readerLife struct {
	kills    int64 // of before this life
	seen     rig.Monotone
	answered bool // in this life
}

func (w *fleetWatch) follow(name string, r *rig.Sidecar) {
	var life readerLife
	for {
		w.look(name, r, &life)
		select {
		case <-w.quit:
			return
		case <-time.After(50 * time.Millisecond): // leaves the processor to others
		}
	}
}

func (w *fleetWatch) look(name string, r *rig.Sidecar, life *readerLife) {
	kills := r.Kills.Load()
	if kills%2 == 1 {
		return // down
	}
	if kills != life.kills {
		life.kills, life.answered = kills, false
		if !w.fleet.keeps() {
			life.seen = rig.Monotone{}
		}
	}
	began := time.Now()
	got, err := r.Scrape()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if r.Kills.Load() == kills && life.answered {
			w.faults.Add("%s: %v", name, err)
		}
		w.forgiven++
		return
	}
	life.answered = true
	w.scrapes++
	w.slowest = max(w.slowest, time.Since(began))
	for _, fault := range append(life.seen.Check(got.App()), w.fleet.tooMuch(got)...) {
		w.faults.Add("%s in life %d: %s", name, kills/2, fault)
	}
}

func (w *fleetWatch) end() {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	w.ended.Wait()
}

// stop ends the watch and reports what it saw.
func (w *fleetWatch) stop(t testing.TB) {
	t.Helper()
	w.end()
	w.faults.Report(t)
	if w.scrapes == 0 {
		t.Error("no scrape was answered")
	}
	t.Logf("%d scrapes, the slowest %v; %d without an answer, all by a reader that was killed or had not read yet",
		w.scrapes, w.slowest.Round(time.Millisecond), w.forgiven)
}
