//go:build redis && linux

package redisstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/promfold/promfold/redisstore"
)

// Property: what a host counts is shown, and stays when the host has said goodbye, was
// folded, came back, was folded because nothing was heard of it, and came back again; as
// the same host as long as it was not folded.
func TestRedisFoldReturns(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	h.add(3)
	first := keys.only()
	jobs(t, 3, r)
	h.again()
	if again := keys.only(); again != first {
		t.Errorf("host %s is another after its return: %s", first, again)
	}
	h.add(1)
	jobs(t, 4, r)
	h.end()
	fold(t, r)
	if ids := keys.ids(); len(ids) != 0 || keys.exists("host:"+first) || !keys.exists("gone:"+first) {
		t.Errorf("after the fold: hosts %q", ids)
	}
	jobs(t, 4, r)
	h.jobs.Add(10)
	h.publisher()
	h.flush()
	second := keys.only()
	if second == first {
		t.Error("a host that was folded came back as itself")
	}
	jobs(t, 14, r)
	keys.silence(second, 4*never)
	fold(t, r)
	if ids := keys.ids(); len(ids) != 0 {
		t.Errorf("after nothing was heard: hosts %q", ids)
	}
	jobs(t, 14, r)
	h.add(100)
	if third := keys.only(); third == second {
		t.Error("a host that was folded came back as itself")
	}
	jobs(t, 114, r, newReader(t, redisstore.ReaderOptions{Client: client}))
	if n := metric(t, h.p, "promfold_redis_host_returns_total"); n != 2 {
		t.Errorf("%v returns of the second publisher, want 2", n)
	}
	h.again()
	h.add(1000)
	jobs(t, 1114, r)
}

// Property: a host that comes back when nobody knows any more what of it was folded counts
// from then on, and says so; it never counts twice.
func TestRedisFoldReturnsWithoutBase(t *testing.T) {
	t.Parallel()
	for name, ephemeral := range map[string]bool{"ephemeral": true, "forgotten": false} {
		_, client, keys := fleet(t)
		var log logged
		h := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: ephemeral, Logger: log.logger()})
		r := newReader(t, redisstore.ReaderOptions{Client: client})
		h.add(3)
		id := keys.only()
		h.end()
		fold(t, r)
		if !ephemeral {
			keys.do("hdel", keys.key("gone:"+id), "schema", "values")
		}
		h.jobs.Add(10)
		h.publisher()
		h.flush()
		jobs(t, 3, r)
		h.add(100)
		jobs(t, 103, r)
		if n := metric(t, h.p, "promfold_redis_host_returns_without_base_total"); n != 1 || log.said("counts from now") != 1 {
			t.Errorf("%s: %v returns without base, log:\n%s", name, n, log.String())
		}
	}
}

// Property: a directory that was away for longer than Redis remembers counts from its
// return if Redis knows nothing of it, and goes on if it does.
func TestRedisFoldReturnsLate(t *testing.T) {
	t.Parallel()
	for _, forgotten := range []bool{false, true} {
		_, client, keys := fleet(t)
		h := newSite(t, redisstore.PublisherOptions{Client: client, Retention: time.Nanosecond})
		r := newReader(t, redisstore.ReaderOptions{Client: client})
		h.add(3)
		id := keys.only()
		h.end()
		fold(t, r)
		if forgotten {
			keys.do("del", keys.key("gone:"+id))
		}
		h.jobs.Add(10)
		h.publisher()
		h.flush()
		want := 13.0
		if forgotten {
			want = 3
		}
		jobs(t, want, r)
		h.add(100)
		jobs(t, want+100, r)
	}
}

// Property: two readers that fold at the same moment, round after round, count every host
// once; so does a third that looks on.
func TestRedisFoldRace(t *testing.T) {
	t.Parallel()
	s, client, _ := fleet(t)
	sites := make([]*site, 4)
	for i := range sites {
		sites[i] = newSite(t, redisstore.PublisherOptions{Client: client})
	}
	onlooker := newReader(t, redisstore.ReaderOptions{Client: client})
	readers := []*redisstore.Reader{
		newReader(t, redisstore.ReaderOptions{Client: dial(t, s)}), newReader(t, redisstore.ReaderOptions{Client: dial(t, s)}),
	}
	total := 0.0
	for round := range 40 {
		for i, h := range sites {
			h.jobs.Add(float64(i + 1))
			total += float64(i + 1)
			switch (round + i) % 3 {
			case 0:
				h.again()
			case 1:
				h.flush()
			default:
				h.end()
				h.publisher()
				h.flush()
				h.end()
			}
		}
		var both sync.WaitGroup
		for _, r := range readers {
			both.Go(func() {
				if err := r.Fold(t.Context()); err != nil {
					t.Errorf("fold: %v", err)
				}
			})
		}
		both.Wait()
		jobs(t, total, readers[0], readers[1], onlooker)
		for _, h := range sites {
			if h.p == nil {
				h.publisher()
			}
		}
	}
	commits := metric(t, readers[0], `promfold_redis_archive_commits_total{namespace="default"}`) +
		metric(t, readers[1], `promfold_redis_archive_commits_total{namespace="default"}`)
	if commits == 0 {
		t.Error("nothing was folded")
	}
}

// Property: a host that has said goodbye is folded at once, one that is silent when it was for
// longer than the reader has it, and one that is heard of never.
func TestRedisFoldWhom(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	live := newSite(t, redisstore.PublisherOptions{Client: client, Host: "live"})
	live.add(1)
	silent := newSite(t, redisstore.PublisherOptions{Client: client, Host: "silent"})
	silent.add(2)
	final := newSite(t, redisstore.PublisherOptions{Client: client, Host: "final"})
	final.add(4)
	final.end()
	names := func() (all []string) {
		for _, id := range keys.ids() {
			all = append(all, keys.field(id, 5))
		}
		return all
	}
	for _, id := range keys.ids() {
		if keys.field(id, 5) == "silent" {
			keys.silence(id, 5*never)
		}
	}
	r := newReader(t, redisstore.ReaderOptions{Client: client, HostTTL: 6 * never})
	fold(t, r)
	if left := names(); len(left) != 2 {
		t.Errorf("hosts left: %q", left)
	}
	fold(t, newReader(t, redisstore.ReaderOptions{Client: client, HostTTL: 4 * never}))
	if left := names(); len(left) != 1 || left[0] != "live" {
		t.Errorf("hosts left: %q", left)
	}
	jobs(t, 7, r)
}

// Property: what one host has in Redis, lost or of a wrong type or nonsense, keeps no other
// host from being folded, and every count that was read stays.
func TestRedisFoldBesideDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(k raw, id string){
		"lost publication":       func(k raw, id string) { k.do("del", k.key("host:"+id)) },
		"publication of a type":  func(k raw, id string) { k.do("del", k.key("host:"+id)); k.do("set", k.key("host:"+id), "x") },
		"publication nonsense":   func(k raw, id string) { k.do("hset", k.key("host:"+id), "schema", "x", "values", "y") },
		"gone of a type":         func(k raw, id string) { k.do("set", k.key("gone:"+id), "x") },
		"malformed entry":        func(k raw, id string) { k.set(id, "1 2 3") },
		"entry without a number": func(k raw, id string) { k.set(id, "x y z live d n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, ephemeral := range []bool{false, true} {
				_, client, keys := fleet(t)
				a := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: ephemeral})
				a.add(1)
				id := keys.only()
				b := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: ephemeral})
				b.add(2)
				a.end()
				b.end()
				r := newReader(t, redisstore.ReaderOptions{Client: client})
				jobs(t, 3, r)
				damage(keys, id)
				for range 3 {
					_ = r.Fold(t.Context())
				}
				for _, left := range keys.ids() {
					if left != id {
						t.Errorf("ephemeral %v: %s is not folded", ephemeral, left)
					}
				}
				jobs(t, 3, r)
			}
		})
	}
}
