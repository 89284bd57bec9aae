//go:build attack && linux

package attack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/redisstore"
	"github.com/promfold/promfold/worker"
)

// beforeFold has something happen once, just before a script is sent that writes the
// archive.
type beforeFold struct {
	happen func()
	done   bool
}

func (b *beforeFold) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *beforeFold) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (b *beforeFold) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" && slices.Contains(cmd.Args(), any("promfold:{default}:archive")) && !b.done {
			b.done = true
			b.happen()
		}
		return next(ctx, cmd)
	}
}

// slowHost publishes when it is told to.
type slowHost struct {
	t         *testing.T
	counted   prometheus.Counter
	publisher *redisstore.Publisher
}

func newSlowHost(t *testing.T, client redis.UniversalClient) *slowHost {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	store, err := worker.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	d := directory.New(dir, directory.Options{})
	t.Cleanup(func() { _ = d.Close() })
	p, err := redisstore.NewPublisher(redisstore.PublisherOptions{Client: client, Directory: d, Interval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	worker.With(store).WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{Name: "race_hosts", Help: "That are alive."}).Set(1)
	h := &slowHost{t, worker.With(store).NewCounter(prometheus.CounterOpts{Name: "race_total", Help: "Of all hosts."}), p}
	h.count(1)
	return h
}

// count counts and publishes.
func (h *slowHost) count(n float64) {
	h.t.Helper()
	h.counted.Add(n)
	if err := h.publisher.Flush(h.t.Context()); err != nil {
		h.t.Error(err)
	}
}

func newRaceReader(t *testing.T, client redis.UniversalClient, ttl time.Duration) *redisstore.Reader {
	t.Helper()
	r, err := redisstore.NewReader(redisstore.ReaderOptions{Client: client, HostTTL: ttl, Interval: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fold(t *testing.T, r *redisstore.Reader) {
	t.Helper()
	if err := r.Fold(t.Context()); err != nil {
		t.Error(err)
	}
}

// shown is what a reader shows.
func shown(t *testing.T, r *redisstore.Reader) rig.Samples {
	t.Helper()
	e := exporter.New(exporter.Options{Providers: []exporter.Provider{redisstore.NewSteady(r, redisstore.SteadyOptions{})}})
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	got, err := rig.Parse(answer.Body.String())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// mustShow holds what a reader shows to what was counted.
func mustShow(t *testing.T, r *redisstore.Reader, want float64) {
	t.Helper()
	if value := shown(t, r)["race_total"].Value; value != want {
		t.Errorf("race_total is %v, counted %v", value, want)
	}
}

const raceIndex = "promfold:{default}:index" // see docs/fleet.md

// growOld tells Redis that it heard of a host a day ago last.
func growOld(t *testing.T, client *redis.Client, id string) {
	t.Helper()
	entry, err := client.HGet(t.Context(), raceIndex, id).Result()
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Split(entry, " ")
	said[1] = strconv.FormatInt(time.Now().Add(-24*time.Hour).UnixMilli(), 10)
	if err := client.HSet(t.Context(), raceIndex, id, strings.Join(said, " ")).Err(); err != nil {
		t.Fatal(err)
	}
}

// foldOld has a reader fold a host that has grown old. The publisher's own first publication
// may come in between.
func foldOld(t *testing.T, client *redis.Client, id string, r *redisstore.Reader, hook *beforeFold) {
	t.Helper()
	rig.Await(t, patience, func() error {
		growOld(t, client, id)
		if fold(t, r); !hook.done {
			return errors.New("the host is not folded")
		}
		return nil
	})
}

// onlyHost is the id of the one that there is.
func onlyHost(t *testing.T, client *redis.Client) string {
	t.Helper()
	ids, err := client.HKeys(t.Context(), raceIndex).Result()
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	return ids[0]
}

// Property: a host that was silent for too long, and publishes at the very moment
// at which a reader folds it, loses none of what it has counted since.
func TestFleetReturnsWhileFolded(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	h := newSlowHost(t, s.Client())
	id := onlyHost(t, s.Client())
	client := s.Client()
	returns := &beforeFold{happen: func() { h.count(10) }}
	client.AddHook(returns)
	r := newRaceReader(t, client, time.Minute)
	foldOld(t, s.Client(), id, r, returns)
	mustShow(t, r, 11)
	h.count(100)
	mustShow(t, r, 111)
}

// Property: of two readers that fold different hosts at one moment, since one is
// patient with hosts that are silent and the other is not, none undoes what the other did.
func TestFleetFoldedByTwo(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	silent := newSlowHost(t, s.Client())
	silent.count(10)
	id := onlyHost(t, s.Client())
	ending := newSlowHost(t, s.Client())
	ending.count(100)
	patient := newRaceReader(t, s.Client(), 48*time.Hour)
	client := s.Client()
	both := &beforeFold{happen: func() {
		if err := ending.publisher.Close(); err != nil {
			t.Error(err)
		}
		fold(t, patient)
	}}
	client.AddHook(both)
	hasty := newRaceReader(t, client, time.Minute)
	foldOld(t, s.Client(), id, hasty, both)
	mustShow(t, hasty, 112)
	fold(t, hasty)
	mustShow(t, hasty, 112)
	mustShow(t, patient, 112)
	mustShow(t, newRaceReader(t, s.Client(), time.Minute), 112)
}

// Property: a host that was silent for some intervals counts on, and its gauges leave the live
// modes, long before it is folded.
func TestFleetSilent(t *testing.T) {
	s := redistest.Start(t, redistest.Options{})
	silent := newSlowHost(t, s.Client())
	id := onlyHost(t, s.Client())
	newSlowHost(t, s.Client())
	r := newRaceReader(t, s.Client(), 1000*time.Hour)
	if got := shown(t, r)["race_hosts"].Value; got != 2 {
		t.Errorf("%v hosts are alive, not 2", got)
	}
	rig.Await(t, patience, func() error { // as in foldOld
		growOld(t, s.Client(), id)
		if got := shown(t, r)["race_hosts"].Value; got != 1 {
			return fmt.Errorf("%v hosts are alive, not 1", got)
		}
		return nil
	})
	mustShow(t, r, 2)
	silent.count(10)
	mustShow(t, r, 12)
	if got := shown(t, r)["race_hosts"].Value; got != 2 {
		t.Errorf("%v hosts are alive, not 2", got)
	}
}
