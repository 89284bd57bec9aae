//go:build attack && linux

package attack_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// watch scrapes sidecars all the time, each in a goroutine of its own.
//
// Properties: at each of them nothing cumulative goes down or leaves, across kills
// of the sidecar too; what was acknowledged when a scrape began is in it; and a
// scrape fails only where the sidecar was killed.
type watch struct {
	ledger *ledger
	quit   chan struct{}
	ended  sync.WaitGroup
	faults rig.Faults

	mu       sync.Mutex // guards the fields below
	scrapes  int
	slowest  time.Duration
	forgiven int
}

// watch begins to scrape. It ends by stop, which the test must call.
func (l *ledger) watch(t testing.TB, sidecars ...*rig.Sidecar) *watch {
	w := &watch{ledger: l, quit: make(chan struct{})}
	for i, s := range sidecars {
		w.ended.Go(func() { w.follow(fmt.Sprint("reader ", i), s) })
	}
	t.Cleanup(func() { w.end() })
	return w
}

func (w *watch) follow(name string, s *rig.Sidecar) {
	var seen rig.Monotone
	for {
		w.look(name, s, &seen)
		select {
		case <-w.quit:
			return
		case <-time.After(10 * time.Millisecond): // leaves the processor to others
		}
	}
}

func (w *watch) look(name string, s *rig.Sidecar, seen *rig.Monotone) {
	kills := s.Kills.Load()
	if kills%2 == 1 {
		return // down
	}
	least := w.ledger.least()
	began := time.Now()
	got, err := s.Scrape()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if s.Kills.Load() == kills {
			w.faults.Add("%s: %v", name, err)
		}
		w.forgiven++
		return
	}
	w.scrapes++
	w.slowest = max(w.slowest, time.Since(began))
	for series, value := range least {
		if got[series].Value < value {
			w.faults.Add("%s: %s is %v, and %v were acknowledged before", name, series, got[series].Value, value)
		}
	}
	for _, fault := range seen.Check(got.App()) {
		w.faults.Add("%s: %s", name, fault)
	}
	if n := got.Sum("promfold_file_errors"); n > 0 {
		w.faults.Add("%s: bad files: %v", name, got.By("promfold_file_errors", "reason"))
	}
}

func (w *watch) end() {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	w.ended.Wait()
}

// stop ends the watch and reports what it saw.
func (w *watch) stop(t testing.TB) {
	t.Helper()
	w.end()
	w.faults.Report(t)
	if w.scrapes == 0 {
		t.Error("no scrape was answered")
	}
	t.Logf("%d scrapes, the slowest %v; %d cut off by kills", w.scrapes, w.slowest.Round(time.Millisecond), w.forgiven)
}
