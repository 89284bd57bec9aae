//go:build redis && linux

package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore"
)

// meanwhile does something else just before one round trip of a client.
type meanwhile struct {
	after int // so many round trips
	do    func()
	done  bool
}

func (m *meanwhile) step() {
	m.after--
	if m.after == -1 {
		m.done = true
		m.do()
	}
}

func (m *meanwhile) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (m *meanwhile) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		m.step()
		return next(ctx, cmd)
	}
}

func (m *meanwhile) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		m.step()
		return next(ctx, cmds)
	}
}

// Property: whatever another reader or a host does between any two round trips of a reader that
// reads or folds, every count is shown once, by both.
func TestRedisInterleaved(t *testing.T) {
	t.Parallel()
	again := func(c *site) {
		c.publisher()
		c.flush()
	}
	for name, other := range map[string]func(r *redisstore.Reader, b, c *site, k raw){
		"another host is folded":       func(r *redisstore.Reader, b, _ *site, _ raw) { b.end(); _ = r.Fold(t.Context()) },
		"the same host is folded":      func(r *redisstore.Reader, _, _ *site, _ raw) { _ = r.Fold(t.Context()) },
		"a host publishes":             func(_ *redisstore.Reader, b, _ *site, _ raw) { b.flush() },
		"the host comes back":          func(_ *redisstore.Reader, _, c *site, _ raw) { again(c) },
		"it comes back, and ends":      func(_ *redisstore.Reader, _, c *site, _ raw) { again(c); c.end() },
		"it is folded, and comes back": func(r *redisstore.Reader, _, c *site, _ raw) { _ = r.Fold(t.Context()); again(c) },
		"all is lost, and comes back":  func(_ *redisstore.Reader, b, c *site, k raw) { k.do("flushall"); b.flush(); again(c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.Options{})
			keys := raw{t, s.Client(), redisstore.DefaultNamespace}
			steps, more := 0, true
			for ; more; steps++ {
				well := t.Run(fmt.Sprint("before round trip ", steps), func(t *testing.T) {
					keys.do("flushall")
					first, second := dial(t, s), s.Client()
					victim, rival := newReader(t, redisstore.ReaderOptions{Client: first}), newReader(t, redisstore.ReaderOptions{Client: second})
					a, b, c := newSite(t, redisstore.PublisherOptions{Client: second}), newSite(t, redisstore.PublisherOptions{Client: second}),
						newSite(t, redisstore.PublisherOptions{Client: second})
					a.add(1)
					a.end()
					fold(t, victim) // so that there is an archive to differ about
					b.add(2)
					c.add(4)
					jobs(t, 7, victim, rival)
					c.end()
					b.jobs.Add(8)
					c.jobs.Add(16)
					m := &meanwhile{after: steps, do: func() { other(rival, b, c, raw{t, second, keys.namespace}) }}
					first.AddHook(m)
					if err := victim.Fold(t.Context()); err != nil {
						t.Error(err)
					}
					more = m.done
					m.after = -1
					for _, h := range []*site{b, c} {
						if h.p == nil {
							h.publisher()
						}
						h.flush()
					}
					jobs(t, 31, victim, rival)
					b.end()
					c.end()
					fold(t, rival)
					fold(t, victim)
					jobs(t, 31, victim, rival, newReader(t, redisstore.ReaderOptions{Client: second}))
				})
				more = more && well
			}
			if steps < 4 && !t.Failed() {
				t.Errorf("%d round trips", steps)
			}
		})
	}
}

// Property: of two readers of which each folds another host at the same moment, one comes through,
// and neither host is lost.
func TestRedisInterleavedFolds(t *testing.T) {
	t.Parallel()
	for steps, more := 0, true; more; steps++ {
		s, client, keys := fleet(t)
		first := dial(t, s)
		hasty := newReader(t, redisstore.ReaderOptions{Client: first, HostTTL: 4 * never})
		other := newReader(t, redisstore.ReaderOptions{Client: client, HostTTL: 100 * never})
		a := newSite(t, redisstore.PublisherOptions{Client: client})
		a.add(1)
		a.end()
		fold(t, hasty)
		b := newSite(t, redisstore.PublisherOptions{Client: client})
		b.add(2)
		id := keys.only()
		c := newSite(t, redisstore.PublisherOptions{Client: client})
		c.add(4)
		jobs(t, 7, hasty, other)
		keys.silence(id, 5*never) // for one of them b is gone
		m := &meanwhile{after: steps, do: func() {
			c.end() // for both c is
			if err := other.Fold(t.Context()); err != nil {
				t.Error(err)
			}
		}}
		first.AddHook(m)
		if err := hasty.Fold(t.Context()); err != nil {
			t.Error(err)
		}
		more = m.done && !t.Failed()
		m.after = -1
		jobs(t, 7, hasty, other, newReader(t, redisstore.ReaderOptions{Client: client}))
		fold(t, hasty)
		jobs(t, 7, hasty, other, newReader(t, redisstore.ReaderOptions{Client: client}))
	}
}

// Property: a reader that knows nothing yet, or not the last publications, sees every host once while
// others fold what it is about to fetch.
func TestRedisInterleavedRead(t *testing.T) {
	t.Parallel()
	for steps, more := 0, true; more; steps++ {
		s, client, _ := fleet(t)
		first := dial(t, s)
		newcomer := newReader(t, redisstore.ReaderOptions{Client: first})
		other := newReader(t, redisstore.ReaderOptions{Client: client})
		h := newSite(t, redisstore.PublisherOptions{Client: client})
		if steps%2 == 1 {
			h.add(0)
			jobs(t, 0, newcomer)
		}
		h.add(3)
		h.end()
		m := &meanwhile{after: steps / 2, do: func() { fold(t, other) }}
		first.AddHook(m)
		jobs(t, 3, newcomer)
		more = m.done && !t.Failed()
		m.after = -1
		jobs(t, 3, newcomer, other)
	}
}
