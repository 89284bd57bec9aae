//go:build redis && linux

package redisstore_test

import (
	"testing"
	"time"

	"github.com/promfold/promfold/redisstore"
)

// Property: a host that an operator takes out as docs/fleet.md says is gone for every reader, which
// reads between all steps of that, and goes on; should the host live, it counts from then.
func TestRedisTakenOutByHand(t *testing.T) {
	t.Parallel()
	for name, archived := range map[string]bool{"no archive": false, "an archive": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client, keys := fleet(t)
			var log logged
			knows := newReader(t, redisstore.ReaderOptions{Client: client, Logger: log.logger()})
			others := 4.0
			if archived {
				c := newSite(t, redisstore.PublisherOptions{Client: client})
				c.add(8)
				c.end()
				fold(t, knows)
				others += 8
			}
			a := newSite(t, redisstore.PublisherOptions{Client: client})
			a.add(3)
			id := keys.only()
			b := newSite(t, redisstore.PublisherOptions{Client: client})
			b.add(4)
			jobs(t, others+3, knows)
			keys.do("hset", keys.key("gone:"+id), "seq", "0")
			jobs(t, others+3, knows)
			fold(t, knows)
			keys.do("hdel", keys.key("index"), id)
			jobs(t, others, knows)
			fold(t, knows)
			keys.do("del", keys.key("host:"+id))
			fresh := newReader(t, redisstore.ReaderOptions{Client: client})
			for range 3 {
				jobs(t, others, knows, fresh)
				fold(t, knows)
			}
			if log.said("taken out of Redis by hand") != 1 {
				t.Errorf("log:\n%s", log.String())
			}
			a.add(100)
			jobs(t, others, knows, fresh)
			a.add(1000)
			b.add(1)
			jobs(t, others+1001, knows, fresh)
		})
	}
}

// Property: whatever other type the keys of a folded host have when a reader puts its archive
// back, all of it is put back, and a host that returns goes on from what was folded.
func TestRedisRestoreBesideOtherTypes(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(k raw, id string){
		"gone is a string": func(k raw, id string) { k.do("set", k.key("gone:"+id), "x") },
		"gone is a list":   func(k raw, id string) { k.do("rpush", k.key("gone:"+id), "x") },
		"host is a string": func(k raw, id string) { k.do("set", k.key("host:"+id), "x") },
		"host is nonsense": func(k raw, id string) { k.do("hset", k.key("host:"+id), "seq", "x", "values", "y") },
		"both":             func(k raw, id string) { k.do("set", k.key("gone:"+id), "x"); k.do("rpush", k.key("host:"+id), "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, ephemeral := range []bool{false, true} {
				_, client, keys := fleet(t)
				a := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: ephemeral})
				a.add(3)
				id := keys.only()
				a.end()
				b := newSite(t, redisstore.PublisherOptions{Client: client})
				b.add(4)
				r := newReader(t, redisstore.ReaderOptions{Client: client})
				fold(t, r)
				jobs(t, 7, r)
				keys.do("flushall")
				damage(keys, id)
				jobs(t, 7, r, newReader(t, redisstore.ReaderOptions{Client: client}), r)
				if kind := keys.client.Type(t.Context(), keys.key("gone:"+id)).Val(); kind != "hash" || keys.exists("host:"+id) {
					t.Errorf("gone is a %s", kind)
				}
				if left := keys.client.PTTL(t.Context(), keys.key("gone:"+id)).Val(); left <= 0 || left > redisstore.DefaultRetention {
					t.Errorf("gone stays for %v", left)
				}
				want := 17.0
				if ephemeral { // which was not to return: nobody has kept with what it would go on
					want = 7
				}
				a.jobs.Add(10)
				a.publisher()
				a.flush()
				jobs(t, want, r)
				a.add(100)
				jobs(t, want+100, r, newReader(t, redisstore.ReaderOptions{Client: client}))
			}
		})
	}
}

// Property: a reader that begins when Redis has come back with older data folds nothing on top
// of that before the reader that knows better has come: all that was folded and not published again stays.
func TestRedisRestoreBeforeANewcomerFolds(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	lives := newReader(t, redisstore.ReaderOptions{Client: client, Interval: redisstore.DefaultInterval})
	folds := newReader(t, redisstore.ReaderOptions{Client: client})
	job := func(n float64) {
		t.Helper()
		h := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: true})
		h.add(n)
		h.end()
	}
	job(1)
	fold(t, folds)
	early := snapshot(t, keys)
	job(2)
	fold(t, folds)
	jobs(t, 3, lives, folds)
	rollBack(t, keys, early)
	job(4)
	newcomer := newReader(t, redisstore.ReaderOptions{Client: client, Interval: redisstore.DefaultInterval})
	for range 3 {
		fold(t, newcomer)
	}
	jobs(t, 5, newcomer)
	jobs(t, 7, lives, newcomer)
	fold(t, folds)
	jobs(t, 7, folds, lives, newcomer, newReader(t, redisstore.ReaderOptions{Client: client}))
	commits := func(r *redisstore.Reader) float64 {
		return metric(t, r, `promfold_redis_archive_commits_total{namespace="default"}`)
	}
	if commits(newcomer) != 0 || commits(folds) != 3 {
		t.Errorf("%v commits by the newcomer, %v by the other", commits(newcomer), commits(folds))
	}
}

// Property: a host that lives is not folded however short a silence its reader is told to bear,
// and a silent one is as soon as it counts as dead and has been silent for that long.
func TestRedisFoldNoneThatLives(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client}) // alive for three times an hour
	r := newReader(t, redisstore.ReaderOptions{Client: client, HostTTL: time.Nanosecond})
	long := newReader(t, redisstore.ReaderOptions{Client: client, HostTTL: 24 * time.Hour})
	h.add(3)
	id := keys.only()
	for range 3 {
		keys.silence(id, never-time.Minute)
		fold(t, r)
		if ids := keys.ids(); len(ids) != 1 || ids[0] != id {
			t.Fatalf("host %s is %q", id, ids)
		}
	}
	keys.silence(id, never)
	fold(t, long)
	if keys.only() != id {
		t.Error("another host")
	}
	fold(t, r)
	if ids := keys.ids(); len(ids) != 0 {
		t.Errorf("hosts %q are not folded", ids)
	}
	jobs(t, 3, r, long)
}
