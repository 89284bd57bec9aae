//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

var loadTime = flag.Duration("loadtime", 8*time.Second, "how long 50 clients scrape at once")

// Property: under fifty clients at once, a third of which hang up, dawdle or say
// only half of what they want, the others get whole, valid answers that never fall
// behind what was acknowledged; who dawdles keeps no file open; merges run one at a
// time; and when all are gone, so is what they cost.
func TestLoadScrapers(t *testing.T) {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	s := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=200ms")
	startCrowd(t, dir, 8, 4000, 1000).count(t) // makes an answer of 8 MB, which no buffer holds
	l := &ledger{}
	living := make([]*counter, 4)
	for i := range living {
		living[i] = l.start(t, dir)
		living[i].counts(t, 1)
	}
	before := held(t, s, dir)
	start, began := s.Scraped(t), time.Now()
	counted := l.batches()

	c := &loadClients{url: s.URL(), least: l.least, few: attackFamilies(), quit: make(chan struct{})}
	c.scrapers(32)
	c.hangers(8)
	c.slow(6)
	c.halves(4)
	rig.Await(t, 2*patience, func() error {
		if n := c.stuck.Load(); n < 6 {
			return fmt.Errorf("%d slow readers are stuck", n)
		}
		return nil
	})
	living[0] = mayNotHold(t, s, l, living[0], dir)
	if n := c.look(t).Sum("promfold_promhttp_metric_handler_requests_in_flight"); n < 6 {
		t.Errorf("%v requests are under way: the slow readers have all that they asked for", n)
	}
	time.Sleep(max(0, *loadTime-time.Since(began))) // the load is the test
	pace := float64(l.batches()-counted) / time.Since(began).Seconds()
	answered := c.answered.Load()
	during, err := heldBy(s.Process().PID, dir)
	if err != nil {
		t.Fatal(err)
	}
	c.stop(t)
	end, elapsed := s.Scraped(t), time.Since(began)
	merges := end.Sum("promfold_merge_duration_seconds_count") - start.Sum("promfold_merge_duration_seconds_count")
	merging := end.Sum("promfold_merge_duration_seconds_sum") - start.Sum("promfold_merge_duration_seconds_sum")
	if most := float64(c.asked.Load() + 1); merges > most { // the test has asked as well
		t.Errorf("%v merges for %v requests", merges, most)
	}
	if merging > elapsed.Seconds() {
		t.Errorf("merges took %vs of %v: some ran at once", merging, elapsed)
	}
	after := awaitHeld(t, s, dir, before)
	for _, w := range living {
		w.pause(t)
	}
	l.check(t, s.Scraped(t))
	t.Logf("%v: %d requests, %d answered in full, %d hung up on; %v merges; workers acknowledged %.0f batches a second",
		elapsed.Round(time.Second), c.asked.Load(), answered, c.hungUp.Load(), merges, pace)
	t.Logf("before: %v; during: %d descriptors, %d maps (%d of files), %d MiB; after: %v",
		before, during.Descriptors, during.Maps, during.Files, during.RSS>>10, after)
	mayNotComplain(t, s.Stop(t))
}

// mayNotHold holds that the file of a process that died is given back once it is
// archived, whoever still reads an answer that was made of it. It returns another
// worker.
func mayNotHold(t *testing.T, s *rig.Sidecar, l *ledger, w *counter, dir string) *counter {
	t.Helper()
	file := fmt.Sprintf("%s/worker-%d-", dir, w.PID)
	w.kill()
	rig.Await(t, patience, func() error {
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.Process().PID))
		if err != nil {
			return err
		}
		left, _ := filepath.Glob(file + "*")
		if n := strings.Count(string(maps), file); n > 0 || len(left) > 0 {
			return fmt.Errorf("%d files of a dead worker are there, %d mapped", len(left), n)
		}
		return nil
	})
	return l.start(t, dir)
}

// mayNotComplain holds that clients are no reason for a line in the log.
func mayNotComplain(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "level=INFO") {
			t.Errorf("the sidecar complained: %s", line)
		}
	}
}

// attackFamilies are those of the counting workers.
func attackFamilies() url.Values {
	names := []string{"attack_whole_total", "attack_fraction_total", "attack_churn_total", "attack_seconds", "attack_size"}
	for _, mode := range gaugeModes {
		names = append(names, gaugeName(mode))
	}
	return url.Values{"name[]": names}
}

// batches is how many were acknowledged.
func (l *ledger) batches() (n uint64) {
	acked, _ := l.acknowledged()
	for _, of := range acked {
		n += of
	}
	return n
}
