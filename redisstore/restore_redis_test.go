//go:build redis && linux

package redisstore_test

import (
	"testing"
	"time"

	"github.com/promfold/promfold/redisstore"
)

// Property: Redis that starts empty, or with older data, gets back what a reader knows: what
// was folded, hosts that are gone, and what a return needs. Two readers that know different things
// put back what each knows.
func TestRedisRestore(t *testing.T) {
	t.Parallel()
	for name, readers := range map[string]int{"one reader": 1, "two readers": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client, keys := fleet(t)
			folded := newSite(t, redisstore.PublisherOptions{Client: client})
			folded.add(1)
			folded.end()
			var all []redisstore.Reading
			for range readers {
				all = append(all, newReader(t, redisstore.ReaderOptions{Client: client}))
			}
			first := all[0].(*redisstore.Reader)
			fold(t, first)
			silent := newSite(t, redisstore.PublisherOptions{Client: client})
			silent.add(2)
			live := newSite(t, redisstore.PublisherOptions{Client: client})
			live.add(4)
			jobs(t, 7, all...)
			keys.do("flushall")
			jobs(t, 7, all...)
			jobs(t, 7, newReader(t, redisstore.ReaderOptions{Client: client}))
			live.add(10)
			folded.jobs.Add(100)
			folded.publisher()
			folded.flush()
			jobs(t, 117, all...)
			fold(t, first)
			keys.do("del", keys.key("archive"))
			fold(t, first)
			jobs(t, 117, newReader(t, redisstore.ReaderOptions{Client: client}))
		})
	}
}

// Property: Redis that goes back to an earlier snapshot, before or after folds, ends where it
// was, with one reader that knows the later state and one that knows nothing.
func TestRedisRestoreRollback(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	a := newSite(t, redisstore.PublisherOptions{Client: client})
	b := newSite(t, redisstore.PublisherOptions{Client: client})
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	a.add(1)
	b.add(2)
	a.again()
	fold(t, r)
	early := snapshot(t, keys)
	a.end()
	fold(t, r)
	b.add(4)
	b.end()
	jobs(t, 7, r)
	middle := snapshot(t, keys)
	fold(t, r)
	late := snapshot(t, keys)
	jobs(t, 7, r)
	for name, at := range map[string]map[string]string{"early": early, "middle": middle, "late": late} {
		rollBack(t, keys, at)
		jobs(t, 7, r)
		jobs(t, 7, newReader(t, redisstore.ReaderOptions{Client: client}))
		fold(t, newReader(t, redisstore.ReaderOptions{Client: client}))
		jobs(t, 7, r)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// Property: where another reader folds from the earlier archive to which Redis was set back,
// before the reader that knows the later one comes, both come to the same exact sum.
func TestRedisRestoreAfterOthersWentOn(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	a := newSite(t, redisstore.PublisherOptions{Client: client})
	a.add(1)
	a.end()
	knows := newReader(t, redisstore.ReaderOptions{Client: client})
	fold(t, knows)
	early := snapshot(t, keys)
	b := newSite(t, redisstore.PublisherOptions{Client: client})
	b.add(2)
	b.end()
	fold(t, knows)
	jobs(t, 3, knows)
	rollBack(t, keys, early)
	c := newSite(t, redisstore.PublisherOptions{Client: client})
	c.add(4)
	c.end()
	newcomer := newReader(t, redisstore.ReaderOptions{Client: client})
	fold(t, newcomer)
	jobs(t, 5, newcomer)
	jobs(t, 7, knows, newcomer)
	fold(t, knows)
	jobs(t, 7, knows, newcomer, newReader(t, redisstore.ReaderOptions{Client: client}))
	b.jobs.Add(10)
	b.publisher()
	b.flush()
	jobs(t, 17, knows, newcomer)
}

// Property: a host that was folded and publishes again while Redis has lost the archive goes
// on from what was folded, once that is back.
func TestRedisRestoreBesideReturn(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	h := newSite(t, redisstore.PublisherOptions{Client: client})
	h.add(1)
	h.end()
	r := newReader(t, redisstore.ReaderOptions{Client: client})
	fold(t, r)
	keys.do("flushall")
	h.jobs.Add(10)
	h.publisher()
	h.flush()
	jobs(t, 11, newReader(t, redisstore.ReaderOptions{Client: client}))
	shown(t, r) // while the host's next publication is under way it may be missing
	h.add(100)
	jobs(t, 111, r, newReader(t, redisstore.ReaderOptions{Client: client}))
}

// Property: a reader that was away while others folded hosts that it knows, for longer than
// anybody remembers whom, counts none of them again.
func TestRedisRestoreNothingAfterLongAbsence(t *testing.T) {
	t.Parallel()
	_, client, keys := fleet(t)
	away := newReader(t, redisstore.ReaderOptions{Client: client, Retention: time.Millisecond})
	awake := newReader(t, redisstore.ReaderOptions{Client: client, Retention: time.Millisecond})
	a := newSite(t, redisstore.PublisherOptions{Client: client})
	a.add(1)
	jobs(t, 1, away, awake)
	id := keys.only()
	a.end()
	fold(t, awake)
	eventually(t, "the fold forgotten", func() bool {
		b := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: true})
		b.add(0)
		b.end()
		fold(t, awake)
		return !keys.exists("gone:" + id)
	})
	for range 3 { // an id outlives the gone by a commit or two
		b := newSite(t, redisstore.PublisherOptions{Client: client, Ephemeral: true})
		b.add(0)
		b.end()
		fold(t, awake)
	}
	jobs(t, 1, away, awake, newReader(t, redisstore.ReaderOptions{Client: client}))
}

// snapshot is all that the namespace has, by key, as DUMP tells it.
func snapshot(t testing.TB, keys raw) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, key := range keys.client.Keys(t.Context(), keys.key("*")).Val() {
		all[key] = keys.client.Dump(t.Context(), key).Val()
	}
	return all
}

// rollBack makes the namespace what it was.
func rollBack(t testing.TB, keys raw, to map[string]string) {
	t.Helper()
	keys.do("flushall")
	for key, dump := range to {
		keys.do("restore", key, 0, dump)
	}
}
