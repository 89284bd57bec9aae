package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/aggregate"
)

// Redis may forget: it is killed without having saved, or a replica takes over that lags
// behind. A reader knows what there was, and puts it back. To do so twice, or in several
// readers, changes nothing: publications have numbers, and archives say whom they hold.

// patience is how long a reader waits before it folds, after it has begun and after it
// found that Redis had lost something: who knows of a later archive will have put it back by then, however
// long it waits between two tries. To fold on top of an earlier one would lose what the later holds.
func patience(interval time.Duration) time.Duration { return interval + 2*longestWait(interval) }

// calm reports whether hosts may be folded now.
func (r *Reader) calm() bool {
	if r.calmAt.IsZero() {
		r.calmAt = time.Now().Add(patience(r.o.Interval))
	}
	return !time.Now().Before(r.calmAt)
}

// putBack restores what we know and Redis does not, and takes the archive that is in
// Redis. It reports whether the index still says what is there.
func (r *Reader) putBack(ctx context.Context, x *index) (settled bool, err error) {
	restored := 0
	if x.edition != r.edition {
		if restored, err = r.reconcile(ctx, x); err != nil {
			return false, err
		}
	}
	lost := slices.DeleteFunc(r.lostHosts(x), func(h *host) bool { return r.archive.Holds(h.id) }) // which somebody has folded
	put, refused, err := r.putHostsBack(ctx, lost)
	if err != nil {
		return false, err
	}
	restored += put
	for _, h := range refused {
		if err := r.dropIfGone(ctx, h); err != nil {
			return false, err
		}
	}
	if restored > 0 {
		r.metrics.restored.Add(uint64(restored))
		r.calmAt = time.Time{}
		r.log.Warn("Redis had lost what is known here: it was put back", "count", restored)
	}
	return restored == 0 && len(refused) == 0, nil
}

// dropIfGone forgets a host that Redis says was folded, though no archive holds it: somebody
// has taken it out by hand.
func (r *Reader) dropIfGone(ctx context.Context, h *host) error {
	now, err := r.fetchIndex(ctx)
	if err != nil || now.edition != r.edition {
		return err // it was folded just now: the next try sees the archive
	}
	if _, there := now.entries[h.id]; !there {
		r.log.Warn("A host was taken out of Redis by hand", "host", h.entry.name, "id", h.id)
		delete(r.hosts, h.id)
	}
	return nil
}

// lostHosts are those that we know, and that are not in the index, or with an older
// publication.
func (r *Reader) lostHosts(x *index) (lost []*host) {
	for id, h := range r.hosts {
		e, ok := x.entries[id]
		if h.record != nil && (!ok || e.seq < h.seq) {
			lost = append(lost, h)
		}
	}
	return lost
}

// reconcile settles which archive counts, if the one in Redis is not the one that we know:
// it is a later one, or ours must be put back, or others have gone on from an
// earlier one, and what that lacks goes back as hosts.
func (r *Reader) reconcile(ctx context.Context, x *index) (restored int, err error) {
	there := aggregate.NewArchive()
	if x.edition != (edition{}) {
		b, err := r.o.Client.Get(ctx, r.keys.archive()).Bytes()
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", r.keys.archive(), err)
		}
		if there, err = decodeArchive(b); err != nil {
			return 0, fmt.Errorf("%s: %w", r.keys.archive(), err)
		}
	}
	lacks := lacking(there, r.archive)
	switch {
	case len(lacks) == 0 && there.Generation >= r.archive.Generation:
		r.remember(ctx, there)
		if there.Horizon > r.archive.Generation+1 {
			r.letGo(x) // a host may have been folded since, and not be listed any more
		}
		r.archive, r.edition = there, edition{there.Generation, there.ID, x.edition.byHost} // if it is a later one than the index has, that is read again
		return 0, nil
	case there.Generation < r.archive.Generation && len(lacking(r.archive, there)) == 0:
		return r.putArchiveBack(ctx, x)
	}
	return r.putRecentBack(ctx, there, x.edition, lacks)
}

// letGo forgets hosts that the index does not have. Whether Redis has lost them, or somebody
// has folded them, cannot be told: better lost than counted twice.
func (r *Reader) letGo(x *index) {
	for id := range r.hosts {
		if _, ok := x.entries[id]; !ok {
			delete(r.hosts, id)
		}
	}
}

// lacking are the hosts that one archive holds and the other does not, as far as it tells.
func lacking(in, of *aggregate.Archive) (lacks []aggregate.Absorbed) {
	for _, e := range of.Absorbed {
		if !in.Holds(e.ID) && e.Generation >= in.Horizon {
			lacks = append(lacks, e)
		}
	}
	return lacks
}

// keepArchive puts the archive back if nothing but its key was lost.
func (r *Reader) keepArchive(ctx context.Context) error {
	if r.edition == (edition{}) {
		return nil
	}
	n, err := r.o.Client.StrLen(ctx, r.keys.archive()).Result()
	if err != nil {
		return fmt.Errorf("read %s: %w", r.keys.archive(), err)
	}
	if n > 0 {
		return nil
	}
	r.log.Warn("Redis had lost the archive: it is put back")
	_, err = r.putArchiveBack(ctx, &index{edition: r.edition})
	return err
}

// putArchiveBack makes ours the archive again. What returning hosts need goes back first.
func (r *Reader) putArchiveBack(ctx context.Context, x *index) (int, error) {
	names := []string{r.keys.index(), r.keys.archive()}
	bytes, err := encodeArchive(r.archive)
	if err != nil {
		return 0, err
	}
	args := []any{x.edition.String(), r.edition.String(), bytes, r.o.Retention.Milliseconds()}
	var bases []*host
	for _, e := range r.archive.Absorbed {
		if h := r.recent.find(e.ID, foldedSeq(e)); h != nil && h.entry.state != stateEphemeral {
			bases = append(bases, h)
		}
		names = append(names, r.keys.host(e.ID), r.keys.gone(e.ID))
		args = append(args, e.ID.String(), foldedSeq(e))
	}
	if err := r.putBasesBack(ctx, bases); err != nil {
		return 0, err
	}
	answer, err := r.scripts.restore.Run(ctx, r.o.Client, names, args...).Text()
	switch {
	case err != nil:
		return 0, fmt.Errorf("put the archive back: %w", err)
	case answer == "archive":
		return 0, nil // somebody was faster: the next read looks again
	case answer != "ok":
		return 0, errors.New("put the archive back: answer " + answer)
	}
	return 1, nil
}

// putBasesBack writes down again what was folded of hosts.
func (r *Reader) putBasesBack(ctx context.Context, hosts []*host) error {
	for batch := range slices.Chunk(hosts, fetchAtOnce) {
		_, err := r.o.Client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, h := range batch {
				key := r.keys.gone(h.id)
				p.Del(ctx, key) // whatever it is
				p.HSet(ctx, key, fieldSeq, h.seq, fieldDigest, h.pub.digest, fieldSchema, h.pub.schema, fieldValues, h.pub.values)
				p.PExpire(ctx, key, r.o.Retention)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("put back what was folded of hosts: %w", err)
		}
	}
	return nil
}

// remember keeps the hosts that others have folded since our archive, and not long ago, as we
// keep our own, should Redis forget the archive: those that were known are, others
// are fetched, as far as that can be done.
func (r *Reader) remember(ctx context.Context, next *aggregate.Archive) {
	now := time.Now()
	var unknown []aggregate.Absorbed
	for _, e := range next.Absorbed {
		if e.Generation <= r.archive.Generation || now.Sub(time.Unix(0, e.At)) > recentAge || r.recent.find(e.ID, foldedSeq(e)) != nil {
			continue
		}
		if h := r.hosts[e.ID]; h != nil && h.record != nil && h.seq == foldedSeq(e) {
			r.recent.add(h, now)
		} else {
			unknown = append(unknown, e)
		}
	}
	for len(unknown) > 0 && r.recent.bytes < recentBytes/2 {
		batch := unknown[:min(fetchAtOnce, len(unknown))]
		unknown = unknown[len(batch):]
		if r.fetchGone(ctx, batch, now) != nil {
			return // it is but a precaution
		}
	}
}

// fetchGone remembers hosts that others have folded, of which Redis has more than a number.
func (r *Reader) fetchGone(ctx context.Context, folded []aggregate.Absorbed, now time.Time) error {
	got := make([]*redis.SliceCmd, len(folded))
	_, err := r.o.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, e := range folded {
			got[i] = p.HMGet(ctx, r.keys.gone(e.ID), fieldSeq, fieldDigest, fieldSchema, fieldValues)
		}
		return nil
	})
	for i, e := range folded {
		if len(got[i].Val()) != 4 {
			continue
		}
		text := func(n int) string { s, _ := got[i].Val()[n].(string); return s }
		if seq, _ := strconv.ParseUint(text(0), 10, 53); seq == foldedSeq(e) && text(3) != "" {
			pub := publication{digest: text(1), schema: []byte(text(2)), values: []byte(text(3))}
			r.recent.add(&host{id: e.ID, seq: seq, entry: entry{seq: seq, state: stateFinal, digest: pub.digest}, pub: pub}, now)
		}
	}
	return err
}

// putRecentBack: others have gone on from an earlier archive. Theirs counts from now on,
// and the hosts that it lacks go back as such, to be folded anew.
func (r *Reader) putRecentBack(ctx context.Context, there *aggregate.Archive, e edition, lacks []aggregate.Absorbed) (restored int, err error) {
	var known []*host
	for _, e := range lacks {
		if h := r.recent.find(e.ID, foldedSeq(e)); h != nil {
			known = append(known, h)
			continue
		}
		r.metrics.lost.Add(1)
		r.log.Error("The archive in Redis goes on from an earlier one, and lacks a host that nobody knows any more", "id", e.ID)
	}
	if restored, _, err = r.putHostsBack(ctx, known); err != nil {
		return restored, err
	}
	r.archive, r.edition = there, e
	return restored, nil
}

// putHostsBack publishes for hosts what they last published themselves, unless Redis has
// something later or knows that they were folded: then it refuses. A host whose key something
// else has is stuck: it takes part with what is known, and cannot be folded.
func (r *Reader) putHostsBack(ctx context.Context, hosts []*host) (put int, refused []*host, err error) {
	for batch := range slices.Chunk(hosts, fetchAtOnce) {
		answers := make([]*redis.Cmd, len(batch))
		_, _ = r.o.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, h := range batch {
				answers[i] = r.putBackCall(ctx, p, h)
			}
			return nil
		})
		for i, h := range batch {
			answer, err := answers[i].Text()
			var said redis.Error
			switch {
			case err == nil && answer == "ok":
				put++
				h.stuck = false
			case err == nil:
				refused = append(refused, h)
			case errors.As(err, &said):
				r.metrics.bad.say(r.log, r.keys.host(h.id), fmt.Errorf("cannot be put back: %w", err))
				h.stuck = true
			default:
				return put, refused, fmt.Errorf("put host %s back: %w", h.id, err)
			}
		}
	}
	return put, refused, nil
}

// putBackCall is one such publication. The age says when the host was heard of.
func (r *Reader) putBackCall(ctx context.Context, p redis.Pipeliner, h *host) *redis.Cmd {
	age := max(h.entry.age(r.now), 0)
	return r.scripts.publish.Eval(ctx, p, []string{r.keys.index(), r.keys.host(h.id), r.keys.gone(h.id)},
		h.id.String(), h.seq, h.entry.ttl.Milliseconds(), string(h.entry.state), age.Milliseconds(), h.entry.name,
		h.pub.digest, h.pub.schema, h.pub.values)
}
