//go:build attack && linux

package attack_test

import (
	"flag"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

var exporterKills = flag.Int("exporter-kills", 40, "how many exporters are killed")

// Property: two sidecars that archive, of which one stands by, and an exporter
// without an archiver are killed at random moments, with workers dying all the
// while. Each of them is monotone across its deaths. Whenever the workers are at
// rest all three show the same, which is what the ledger says, and so does one that
// has just been started for the first time.
func TestExportersKilled(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	sidecars := []*rig.Sidecar{
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=20ms"),
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=20ms"),
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--no-archive"),
	}
	l := &ledger{}
	living := []*counter{l.start(t, dir), l.start(t, dir), l.start(t, dir)}
	w := l.watch(t, sidecars...)
	rng := rand.New(rand.NewPCG(3, 4))
	died := 0
	for n := 1; n <= *exporterKills; n++ {
		time.Sleep(rand.N(20 * time.Millisecond)) // any moment will do
		i := rng.IntN(len(living))
		living[i].counts(t, 1+rng.Uint64N(200))
		living[i].kill() // so that there is something to archive
		died++
		living[i] = l.start(t, dir)
		time.Sleep(rand.N(20 * time.Millisecond))
		sidecars[rng.IntN(len(sidecars))].Restart(t)
		if n%10 == 0 {
			late := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--no-archive")
			rest(t, l, living, append(sidecars[:3:3], late))
			sameForAll(t, living, append(sidecars[:3:3], late))
			late.Stop(t)
		}
	}
	w.stop(t)
	acked, _ := l.acknowledged()
	t.Logf("%d exporters and %d workers killed; %d batches of goroutine 0 acknowledged", *exporterKills, died, acked[0])
}

// sameForAll holds that all readers show the same while the workers are at rest.
func sameForAll(t *testing.T, living []*counter, readers []*rig.Sidecar) {
	t.Helper()
	for _, worker := range living {
		worker.pause(t)
	}
	first := readers[0].Scraped(t).App()
	for i, s := range readers[1:] {
		other := s.Scraped(t).App()
		if !maps.EqualFunc(first, other, func(a, b rig.Sample) bool { return a.Value == b.Value }) {
			t.Errorf("reader 0 shows %v, reader %d %v", first, i+1, other)
		}
	}
	for _, worker := range living {
		worker.resume(t)
	}
}
