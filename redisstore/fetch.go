package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/promfold/promfold/mmapstore"
)

// fetchAtOnce is how many hosts are fetched in one transaction. Each such batch stays
// fetched, whatever becomes of the next.
const fetchAtOnce = 32

// fetch brings the hosts to what the index says, and reports whether that is still of one
// moment with the archive that is known.
func (r *Reader) fetch(ctx context.Context, x *index) (settled bool, err error) {
	if x.edition != r.edition {
		return false, nil
	}
	for stale := r.stale(x); len(stale) > 0; {
		batch := stale[:min(fetchAtOnce, len(stale))]
		stale = stale[len(batch):]
		same, err := r.fetchBatch(ctx, x, batch)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// stale are the hosts of which the index tells a publication that is not known.
func (r *Reader) stale(x *index) (all []*host) {
	for id, e := range x.entries {
		h := r.hosts[id]
		if h == nil {
			h = &host{id: id}
			r.hosts[id] = h
		}
		h.entry = e
		if h.record == nil || h.seq != e.seq || h.named != e.name {
			all = append(all, h)
		}
	}
	return all
}

// fetchBatch fetches some hosts, and reports whether the archive is the one of the index.
func (r *Reader) fetchBatch(ctx context.Context, x *index, hosts []*host) (same bool, err error) {
	var on *redis.StringCmd
	var got []*redis.SliceCmd
	_, _ = r.o.Client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		on = p.HGet(ctx, r.keys.index(), fieldArchive)
		for _, h := range hosts {
			got = append(got, p.HMGet(ctx, r.keys.host(h.id), wanted(h)...))
		}
		return nil
	})
	if err := on.Err(); err != nil && !errors.Is(err, redis.Nil) { // which says that there is no archive
		return false, fmt.Errorf("fetch hosts: %w", err)
	}
	if e, err := parseEdition(on.Val()); err != nil || e != x.edition {
		return false, err
	}
	for i, h := range hosts {
		if err := errors.Join(got[i].Err(), r.takeHost(h, got[i].Val())); err != nil { // of one host alone
			r.metrics.bad.say(r.log, r.keys.host(h.id), err)
		}
	}
	return true, nil
}

// wanted are the fields to fetch of a host: not the schema, if it is known.
func wanted(h *host) []string {
	fields := []string{fieldSeq, fieldDigest, fieldValues}
	if h.outdated(h.entry.digest) {
		fields = append(fields, fieldSchema)
	}
	return fields
}

// takeHost takes the answer to wanted. A host that was folded, or whose key is lost, gives
// nothing; it goes on with what was known.
func (r *Reader) takeHost(h *host, got []any) error {
	text := func(i int) string {
		if i >= len(got) {
			return ""
		}
		s, _ := got[i].(string)
		return s
	}
	if text(0) == "" {
		return fmt.Errorf("%w: no publication", mmapstore.ErrMalformed)
	}
	seq, err := strconv.ParseUint(text(0), 10, 53)
	if err != nil {
		return fmt.Errorf("%w: number %.40q", mmapstore.ErrMalformed, text(0))
	}
	pub := publication{digest: text(1), values: []byte(text(2)), schema: []byte(text(3))}
	if len(pub.schema) == 0 && h.outdated(pub.digest) {
		return nil // it has published another schema just now; the next read asks for it
	}
	return h.take(seq, pub, r.o.ByHost)
}
