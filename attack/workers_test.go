//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

var kills = flag.Int("kills", 200, "how many workers are killed")

// Property: workers are killed at random moments while an archiver folds the dead
// and two more readers look on. Nothing acknowledged is missing from any scrape,
// nothing cumulative goes down at any reader, and whenever all are at rest every
// series is what the ledger says, at all three.
func TestWorkersKilled(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	readers := []*rig.Sidecar{
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=50ms"),
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--no-archive"),
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--no-archive"),
	}
	l := &ledger{}
	living := make([]*counter, 4)
	for i := range living {
		living[i] = l.start(t, dir)
	}
	w := l.watch(t, readers...)
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= *kills; n++ {
		i := rng.IntN(len(living))
		if rng.IntN(4) > 0 { // others die at birth or soon after
			living[i].counts(t, 1+rng.Uint64N(500))
		}
		time.Sleep(rand.N(10 * time.Millisecond)) // any moment will do
		living[i].kill()
		living[i] = l.start(t, dir)
		if n%25 == 0 {
			rest(t, l, living, readers)
		}
	}
	for _, worker := range living[1:] {
		worker.counts(t, 1)
		worker.stop(t)
	}
	living[0].kill()
	awaitArchived(t, readers[0])
	for _, s := range readers {
		l.check(t, s.Scraped(t))
	}
	w.stop(t)
	acked, uncertain := l.acknowledged()
	t.Logf("%d workers killed, %d ended; %d batches of goroutine 0 acknowledged, %d uncertain",
		*kills+1, len(living)-1, acked[0], uncertain[0])
}

// rest lets everybody pause, and holds what all readers show against the ledger.
func rest(t *testing.T, l *ledger, living []*counter, readers []*rig.Sidecar) {
	t.Helper()
	for _, worker := range living {
		worker.counts(t, 1)
		worker.pause(t)
	}
	living[0].once(t)
	newest := fmt.Sprintf(`%s{g="0"}`, gaugeName(worker.Latest))
	want := gaugeValue(worker.Latest, living[0].serial, int(living[0].acked[0].Load()))
	for _, s := range readers {
		got := s.Scraped(t)
		l.check(t, got)
		if got[newest].Value != want {
			t.Errorf("%s is %v; the last to set it was worker %d, to %v", newest, got[newest].Value, living[0].serial, want)
		}
	}
	for _, worker := range living {
		worker.resume(t)
	}
}

// awaitArchived waits until no file of a process is left.
func awaitArchived(t *testing.T, s *rig.Sidecar) {
	t.Helper()
	rig.Await(t, patience, func() error {
		if n := s.Scraped(t).Sum("promfold_processes"); n > 0 {
			return fmt.Errorf("%v processes are not archived", n)
		}
		return nil
	})
}
