//go:build attack && linux

package attack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// Property: workers in pid namespaces of their own, all of which have pid 1, beside
// a sidecar that has pid 1 too, are told apart: the gauges of two living processes
// have different values of pid, counts are exact, and the death of one leaves those
// of the other as they are. Stock clients name files by pid, so that such workers
// need directories of their own.
func TestAllWithPIDOne(t *testing.T) {
	rig.NeedRoot(t)
	base := rig.NewDirectory(t, rig.User{}, 0o755)
	command := slices.Concat(inOwnNamespace, []string{promfold(), "serve", "--web.listen-address=127.0.0.1:0", "--archive.interval=100ms"})
	var workers []*seated
	inSeat := seatings[3].wrapWorker(relations[0])
	for _, place := range []struct{ dir, client string }{
		{"one", "native"}, {"one", "native"}, {"one", "client_python"}, {"two", "client_python"},
	} {
		dir := filepath.Join(base, place.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(command, "--multiproc.dir="+dir) {
			command = append(command, "--multiproc.dir="+dir)
		}
		w := seat(t, place.client, dir, inSeat)
		if said := w.Says(t, saysSeated, 1, patience); said[1] != "1" {
			t.Fatalf("pid %s", said[1])
		}
		w.ask(t, "count")
		workers = append(workers, w)
	}
	sidecar := rig.StartAs(t, rig.Command{Args: command})
	total := 0.0
	for _, w := range workers {
		total += w.rest(t)
	}
	var last rig.Monotone
	check := func(living int) error {
		got := sidecar.Scraped(t)
		if faults := last.Check(got.App()); len(faults) > 0 {
			t.Error(faults)
		}
		if now := got.Sum("n_total") + got.Sum("c_total"); now != total {
			t.Errorf("counted %v, not %v", now, total)
		}
		seats := got.By("seat", "pid")
		for pid, n := range seats {
			if n != 1 {
				t.Errorf("%v processes have pid=%q", n, pid)
			}
		}
		if len(seats) != living || got.Sum("promfold_processes", "state", "live") != float64(living) {
			return fmt.Errorf("%d living processes have %v", living, seats)
		}
		return nil
	}
	rig.Await(t, patience, func() error { return check(4) })
	for i, w := range workers {
		w.Kill()
		rig.Await(t, patience, func() error { return check(3 - i) })
	}
	logUnlessFailed(t, "4 workers with pid 1 beside a sidecar with pid 1: %v counted, lost 0, doubled 0", total)
}
