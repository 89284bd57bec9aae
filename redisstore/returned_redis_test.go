//go:build redis && linux

package redisstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/worker"
)

// beyondTTL is longer than a host that never publishes by itself may be silent.
const beyondTTL = 4 * never

// Property: a publisher that lives, but was cut off until Redis had folded its host and
// forgotten that, counts from then on and says so; never twice, whatever is folded after it.
func TestRedisReturnAfterRetention(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	var log logged
	h := newSite(t, redisstore.PublisherOptions{Client: client, Retention: time.Millisecond, Logger: log.logger()})
	r := newReader(t, redisstore.ReaderOptions{Client: client, Retention: time.Millisecond})
	h.add(3)
	first := keys.only()
	h.add(4)
	if again := keys.only(); again != first || log.said("counts from now") != 0 {
		t.Errorf("host %s is %s though Redis has it; log:\n%s", first, again, log.String())
	}
	keys.silence(first, beyondTTL)
	fold(t, r)
	if ids := keys.ids(); len(ids) != 0 {
		t.Fatalf("not folded: %q", ids)
	}
	eventually(t, "the fold forgotten", func() bool { return !keys.exists("gone:" + first) })
	h.add(1)
	if again := keys.only(); again == first {
		t.Error("it came back as itself")
	}
	for range 3 { // until no archive lists the first id any more
		b := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: true})
		b.add(0)
		b.end()
		fold(t, r)
		jobs(t, 7, r, newReader(t, redisstore.ReaderOptions{Client: client}))
	}
	h.add(100)
	jobs(t, 107, r, newReader(t, redisstore.ReaderOptions{Client: client}))
	if n := metric(t, h.p, "promfold_redis_host_returns_without_base_total"); n != 1 || log.said("counts from now") != 1 {
		t.Errorf("%v returns without base, log:\n%s", n, log.String())
	}
}

// Property: files that go while nobody publishes, of a host that keeps its identity, take
// nothing from the fleet: its sum never goes down, grows by all that is counted after the
// return, and never is more than what was ever counted.
func TestRedisReturnWithoutFiles(t *testing.T) {
	t.Parallel()
	for name, folds := range map[string]bool{"folded": true, "not folded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, before := range []float64{1, 5, 9} { // the first publication after it: the old life had 5
				_, client, keys := fleet(t)
				h := newSite(t, redisstore.PublisherOptions{Client: client})
				r := newReader(t, redisstore.ReaderOptions{Client: client})
				h.add(5)
				first := keys.only()
				jobs(t, 5, r)
				h.end()
				if folds {
					fold(t, r)
				}
				h.losesFiles()
				h.jobs.Add(before)
				h.publisher()
				h.flush()
				last := shown(t, r).Sum("jobs_total")
				if last < 5 || last > 5+before {
					t.Errorf("%v before: %v jobs at its return", before, last)
				}
				for range 8 {
					h.add(1)
					last++
					jobs(t, last, r, newReader(t, redisstore.ReaderOptions{Client: client}))
				}
				if !folds {
					fold(t, r) // what the first life had published stays, under its own id
				}
				h.again()
				jobs(t, last, r, newReader(t, redisstore.ReaderOptions{Client: client}))
				for _, id := range keys.ids() {
					if folds && id == first {
						t.Error("it came back as itself")
					}
				}
			}
		})
	}
}

// losesFiles is the removal of all that is not hidden, and another process after it.
func (s *site) losesFiles() {
	s.t.Helper()
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.store = nil
	all, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil || len(all) == 0 {
		s.t.Fatalf("files %q, %v", all, err)
	}
	for _, path := range all {
		if filepath.Base(path) == ".promfold" { // which the pattern of a shell leaves out
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			s.t.Fatal(err)
		}
	}
	s.work()
}

// Property: a label set that is deleted, and counted in again, by a host of which something was folded
// before, is shown at each step as the host alone shows it.
func TestRedisReturnAndDelete(t *testing.T) {
	t.Parallel()
	_, client, _ := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	vec := worker.With(h.store).NewCounterVec(prometheus.CounterOpts{Name: "tenant_total", Help: "T."}, []string{"tenant"})
	vec.WithLabelValues("a").Add(10)
	vec.WithLabelValues("b").Add(10)
	h.flush()
	h.end()
	fold(t, r)
	h.publisher()
	arch := archiver.New(h.files, archiver.Options{Logger: quiet})
	step := func(what string, want map[string]float64) {
		t.Helper()
		h.store.Flush()
		if err := arch.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.flush()
		fold(t, r)
		for name, got := range map[string]rig.Samples{
			"the host alone": merged(t, local(t, h)), "the fleet": shown(t, r),
			"a new reader": shown(t, newReader(t, redisstore.ReaderOptions{Client: client})),
		} {
			for _, tenant := range []string{"a", "b"} {
				series := `tenant_total{tenant="` + tenant + `"}`
				if is, there := got[series]; there != (want[tenant] != 0) || is.Value != want[tenant] {
					t.Errorf("%s: %s shows %v of %s, want %v", what, name, is.Value, tenant, want[tenant])
				}
			}
		}
	}
	step("after the return", map[string]float64{"a": 10, "b": 10})
	vec.DeleteLabelValues("a")
	for range 2 {
		step("after the deletion", map[string]float64{"b": 10})
	}
	for n := range 14 {
		vec.WithLabelValues("a").Inc()
		step("counted again", map[string]float64{"a": float64(n + 1), "b": 10})
	}
}
