//go:build redis && linux

package redisstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/worker"
)

// Property: once there is an archive, readers that would keep hosts apart where it does not, or the other
// way round, read nothing, fold nothing and say what to do; those that have made it go on.
func TestRedisReadersDisagree(t *testing.T) {
	t.Parallel()
	for name, byHost := range map[string]bool{"sums": false, "by host": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client, keys := fleet(t)
			agrees := newReader(t, redisstore.ReaderOptions{Client: client, ByHost: byHost})
			other := newReader(t, redisstore.ReaderOptions{Client: client, ByHost: !byHost})
			for n := range 2 {
				h := newSite(t, redisstore.PublisherOptions{Client: client})
				h.add(float64(n + 1))
				h.end()
				if n == 0 {
					jobs(t, 1, other, agrees) // there is no archive to disagree about
					fold(t, agrees)
				}
			}
			was := keys.client.HGet(t.Context(), keys.key("index"), "archive").Val()
			_, err := other.Read(t.Context())
			for what, err := range map[string]error{"read": err, "fold": other.Fold(t.Context())} {
				if err == nil || !strings.Contains(err.Error(), "--redis.by-host") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if is := keys.client.HGet(t.Context(), keys.key("index"), "archive").Val(); is != was {
				t.Errorf("archive %q was %q", is, was)
			}
			jobs(t, 3, agrees)
			fold(t, agrees)
			jobs(t, 3, agrees, newReader(t, redisstore.ReaderOptions{Client: client, ByHost: byHost}))
		})
	}
}

// Property: a publisher whose directory is not there yet neither fails nor has published; it does as soon
// as there is one.
func TestRedisPublisherWaits(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	dir := filepath.Join(rig.NewDirectory(t, rig.User{}, 0o755), "later")
	d := directory.New(dir, directory.Options{})
	defer d.Close()
	p, err := redisstore.NewPublisher(redisstore.PublisherOptions{Client: client, Directory: d, Interval: never, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	state := func(name string) float64 { return metric(t, p, `promfold_redis_publishers{state="`+name+`"}`) }
	if err := p.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
	if state("waiting") != 1 || state("failing") != 0 || state("ok") != 0 || metric(t, p, "promfold_redis_publish_failures_total") != 0 {
		t.Errorf("%v wait, %v fail, %v are well", state("waiting"), state("failing"), state("ok"))
	}
	const last = "promfold_redis_last_publication_timestamp_seconds"
	if has(t, p, last) {
		t.Error("there is a time of the last publication")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	before := float64(time.Now().Unix())
	if err := p.Flush(t.Context()); err != nil {
		t.Errorf("flush: %v", err)
	}
	if state("waiting") != 0 || state("ok") != 1 || metric(t, p, last) < before {
		t.Errorf("%v wait, %v are well", state("waiting"), state("ok"))
	}
	keys.only()
}

// has reports whether one of the collectors has a series of the name.
func has(t *testing.T, from interface{ Collectors() []prometheus.Collector }, name string) bool {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(from.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return true
		}
	}
	return false
}

// Property: while processes of a host disagree about a mode or a type, and one that is dead has a gauge
// which nobody has archived, an unchanged state is a heartbeat all the same, and a value no new schema.
func TestRedisPublishDisagreement(t *testing.T) {
	t.Parallel()
	_, client, _ := fleet(t)
	h := newUnpublished(t, redisstore.PublisherOptions{Client: client})
	worker.With(h.store).WithMode(worker.Max).NewGauge(prometheus.GaugeOpts{Name: "g"}).Set(1)
	worker.With(h.store).NewCounter(prometheus.CounterOpts{Name: "c_total"}).Add(1)
	worker.With(h.store).WithMode(worker.All).NewGauge(prometheus.GaugeOpts{Name: "p"}).Set(1)
	h.work()
	worker.With(h.store).WithMode(worker.Sum).NewGauge(prometheus.GaugeOpts{Name: "g"}).Set(1)
	worker.With(h.store).WithMode(worker.Sum).NewGauge(prometheus.GaugeOpts{Name: "c_total"}).Set(1)
	h.publisher()
	for n := range 5 {
		h.flush()
		h.flush()
		h.jobs.Inc()
		h.flush()
		if full, values := h.published("full"), h.published("values"); full != 1 || values != float64(n+1) {
			t.Errorf("%v publications in full, %v of values, %v heartbeats", full, values, h.published("heartbeat"))
		}
	}
	if n := h.published("heartbeat"); n < 10 {
		t.Errorf("%v heartbeats", n)
	}
}
