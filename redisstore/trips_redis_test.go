//go:build redis && linux

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/redisstore"
)

// trips counts the round trips of a client, holds one up, or makes some fail. Goroutines may share it.
type trips struct {
	mu     sync.Mutex
	n      int
	hold   chan struct{} // the next one waits until it is closed
	held   chan struct{} // closed when it does
	failAt string        // commands that name such a key fail
}

var errTrip = errors.New("this command fails")

func (h *trips) trip(ctx context.Context, cmds ...redis.Cmder) error {
	h.mu.Lock()
	h.n++
	hold, held := h.hold, h.held
	h.hold = nil
	fails := h.failAt != "" && strings.Contains(fmt.Sprint(cmds), h.failAt)
	h.mu.Unlock()
	if hold != nil {
		close(held)
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	if fails {
		for _, c := range cmds {
			c.SetErr(errTrip)
		}
		return errTrip
	}
	return nil
}

// count is how many round trips there were since the last count.
func (h *trips) count() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, h.n = h.n, 0
	return n
}

// holdNext holds the next round trip up until release; held is closed when it is there.
func (h *trips) holdNext() (held <-chan struct{}, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hold, there := make(chan struct{}), make(chan struct{})
	h.hold, h.held = hold, there
	return there, sync.OnceFunc(func() { close(hold) })
}

func (h *trips) fail(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failAt = key
}

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := h.trip(ctx, cmd); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := h.trip(ctx, cmds...); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}

// Property: how many round trips a reading takes follows from what is new by the batch: one if nothing
// is, and few for many hosts that others have folded meanwhile, or that Redis has lost.
func TestRedisReadTrips(t *testing.T) {
	t.Parallel()
	s, client, keys := fleet(t)
	h := &trips{}
	counted := dial(t, s)
	counted.AddHook(h)
	looks := newReader(t, redisstore.ReaderOptions{Client: counted})
	folds := newReader(t, redisstore.ReaderOptions{Client: client})
	jobs(t, 0, looks)
	const many = 64 // two batches
	total := 0.0
	reads := func(what string, most int) {
		t.Helper()
		h.count()
		jobs(t, total, looks)
		if n := h.count(); n > most {
			t.Errorf("%s: %d round trips, want at most %d", what, n, most)
		}
	}
	begin := func(ephemeral bool) *site {
		t.Helper()
		j := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: ephemeral})
		j.add(1)
		total++
		return j
	}
	for _, ephemeral := range []bool{true, false} {
		for range many {
			begin(ephemeral).end()
		}
		fold(t, folds)
		reads(fmt.Sprintf("many that others have folded, ephemeral %v", ephemeral), 7) // index, archive, two batches, index
		reads("nothing new", 1)
	}
	for range 3 {
		begin(true).end()
		fold(t, folds)
		reads("one more that others have folded", 4) // index, archive, it, index
		reads("nothing new", 1)
	}
	for range many {
		begin(false)
	}
	reads("many that are new", 4) // index, two batches
	keys.do("flushall")
	reads("all is lost", 12)
	reads("nothing new", 1)
}

// Property: that a host which others have folded cannot be fetched any more, fails no reading: to
// have it is a precaution.
func TestRedisReadWithoutPrecaution(t *testing.T) {
	t.Parallel()
	s, client, _ := fleet(t)
	h := &trips{}
	counted := dial(t, s)
	counted.AddHook(h)
	looks := newReader(t, redisstore.ReaderOptions{Client: counted})
	folds := newReader(t, redisstore.ReaderOptions{Client: client})
	jobs(t, 0, looks)
	a := newSite(t, redisstore.PublisherOptions{Client: client})
	a.add(1)
	a.end()
	fold(t, folds)
	h.fail("gone:")
	jobs(t, 1, looks)
	h.fail("")
	a.jobs.Add(2)
	a.publisher()
	a.flush()
	jobs(t, 3, looks, folds)
}

// Property: a scrape that comes while a round of folding waits for Redis gets the last good
// state after its own timeout, and what is new as soon as the round has ended.
func TestRedisReadBesideAFoldThatWaits(t *testing.T) {
	t.Parallel()
	s, client, _ := fleet(t)
	h := &trips{}
	held := dial(t, s)
	held.AddHook(h)
	a := newSite(t, redisstore.PublisherOptions{Client: client})
	a.add(1)
	r := newReader(t, redisstore.ReaderOptions{Client: held})
	jobs(t, 1, r)
	hasty := redisstore.NewSteady(r, redisstore.SteadyOptions{Name: "hasty", Timeout: 10 * time.Millisecond, Logger: quiet})
	eventually(t, "a good state", func() bool {
		_, err := hasty.Sources(t.Context())
		return err == nil
	})
	waits, release := h.holdNext()
	defer release()
	folded := make(chan error, 1)
	go func() { folded <- r.Fold(context.Background()) }()
	<-waits
	a.add(2)
	for range 3 {
		sources, err := hasty.Sources(t.Context())
		if err != nil {
			t.Fatalf("beside a fold: %v", err)
		}
		if got := merged(t, sources).Sum("jobs_total"); got != 1 {
			t.Errorf("beside a fold: %v jobs", got)
		}
	}
	if _, err := r.Read(cancelled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("a reading that nobody waits for any more: %v", err)
	}
	select {
	case err := <-folded:
		t.Errorf("the fold does not wait: %v", err)
	default:
	}
	release()
	if err := <-folded; err != nil {
		t.Errorf("fold: %v", err)
	}
	jobs(t, 3, r)
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
