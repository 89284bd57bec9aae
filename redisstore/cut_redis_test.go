//go:build redis && linux

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore"
)

// errCut is all that a client learns of a round trip that was cut.
var errCut = errors.New("the connection was cut")

// cut loses one round trip of a client: before the server has seen it, or its reply after the server
// has done it.
type cut struct {
	after  int // so many round trips
	reply  bool
	struck bool
}

// strikes reports whether this is the one.
func (c *cut) strikes() bool {
	c.after--
	c.struck = c.struck || c.after == -1
	return c.after == -1
}

func (c *cut) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *cut) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "hello" || !c.strikes() {
			return next(ctx, cmd)
		}
		if c.reply {
			_ = next(ctx, cmd)
		}
		cmd.SetErr(errCut)
		return errCut
	}
}

func (c *cut) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "hello" || !c.strikes() {
			return next(ctx, cmds)
		}
		if c.reply {
			_ = next(ctx, cmds)
		}
		for _, cmd := range cmds {
			cmd.SetErr(errCut)
		}
		return errCut
	}
}

// everyCut does the story once for each round trip of its client, lost in either way, until the
// story has no more of them. It reports how many there were.
func everyCut(t *testing.T, story func(t *testing.T, s *redistest.Server, c *cut)) (cuts int) {
	t.Helper()
	s := redistest.Start(t, redistest.Options{})
	for _, reply := range []bool{false, true} {
		for after := 0; ; after++ {
			if err := s.Client().FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			c := &cut{after: after, reply: reply}
			well := t.Run(fmt.Sprintf("%d lost, its reply alone %v", after, reply), func(t *testing.T) { story(t, s, c) })
			if !well || !c.struck {
				break
			}
			cuts++
		}
	}
	return cuts
}

// Property: a reader that dies between any two of its round trips while it folds, or puts back what
// Redis has lost, and one that lives through the loss, leave every count there once.
func TestRedisCutReader(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(k raw){
		"fold":               func(raw) {},
		"restore":            func(k raw) { k.do("flushall") },
		"restore of archive": func(k raw) { k.do("del", k.key("archive")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cuts := everyCut(t, func(t *testing.T, s *redistest.Server, c *cut) {
				keys := raw{t, s.Client(), redisstore.DefaultNamespace}
				struck := dial(t, s)
				victim := newReader(t, redisstore.ReaderOptions{Client: struck})
				a := newSite(t, redisstore.PublisherOptions{Client: s.Client()})
				a.add(1)
				a.end()
				fold(t, victim)
				b := newSite(t, redisstore.PublisherOptions{Client: s.Client()})
				b.add(2)
				jobs(t, 3, victim)
				b.end()
				lose(keys)
				struck.AddHook(c)
				_ = victim.Fold(t.Context())
				_ = victim.Fold(t.Context())
				other := newReader(t, redisstore.ReaderOptions{Client: s.Client()})
				if name == "fold" { // otherwise the counts are with the victim alone
					jobs(t, 3, other)
				}
				c.after = -1 // from here on all is well
				jobs(t, 3, victim)
				fold(t, victim)
				fold(t, other)
				jobs(t, 3, victim, other, newReader(t, redisstore.ReaderOptions{Client: s.Client()}))
				a.jobs.Add(10)
				a.publisher()
				a.flush()
				b.jobs.Add(20)
				b.publisher()
				b.flush()
				jobs(t, 33, victim, other)
			})
			if cuts < 6 {
				t.Errorf("%d round trips lost in all", cuts)
			}
		})
	}
}

// Property: a publisher that dies between any two of its round trips, and one that lives through the
// loss, count everything once: at the start, after a fold, and at the end.
func TestRedisCutPublisher(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"lives": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cuts := everyCut(t, func(t *testing.T, s *redistest.Server, c *cut) {
				keys := raw{t, s.Client(), redisstore.DefaultNamespace}
				struck := dial(t, s)
				r := newReader(t, redisstore.ReaderOptions{Client: s.Client()})
				h := newSite(t, redisstore.PublisherOptions{Client: struck})
				h.add(1)
				keys.silence(keys.only(), 4*never)
				fold(t, r)
				struck.AddHook(c)
				h.jobs.Add(2)
				_ = h.p.Flush(t.Context()) // as another host
				h.jobs.Add(4)
				_ = h.p.Flush(t.Context())
				if killed {
					_ = h.p.Close() // which is as good: c strikes there too
					h.o.Client = s.Client()
					h.publisher()
				}
				c.after = -1
				h.jobs.Add(8)
				h.flush()
				jobs(t, 15, r)
				h.end()
				fold(t, r)
				jobs(t, 15, r, newReader(t, redisstore.ReaderOptions{Client: s.Client()}))
			})
			if cuts < 6 {
				t.Errorf("%d round trips lost in all", cuts)
			}
		})
	}
}
