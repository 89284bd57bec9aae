package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// foldAtOnce bounds how many hosts one commit folds.
const foldAtOnce = 256

// foldTries bounds the commits of one round.
const foldTries = 64

// Run folds hosts that are gone, round after round, until ctx ends. Several readers may run
// it: of those that fold at one moment one comes through, and the others see what it
// did.
func (r *Reader) Run(ctx context.Context) error {
	for {
		if err := r.Fold(ctx); ctx.Err() == nil {
			_ = r.folding.note(err)
		}
		if !sleep(ctx, r.folding.wait(r.o.Interval)) {
			return nil
		}
	}
}

// Fold runs one round: all hosts that are gone for good are folded, unless another reader
// is faster.
func (r *Reader) Fold(ctx context.Context) error {
	for range foldTries {
		more, err := r.foldSome(ctx)
		if err != nil {
			return r.named(err)
		}
		if !more {
			break
		}
	}
	return nil
}

func (r *Reader) foldSome(ctx context.Context) (more bool, err error) {
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	defer r.end()
	if err := r.update(ctx); err != nil {
		return false, err
	}
	if err := r.keepArchive(ctx); err != nil {
		return false, err
	}
	gone := r.gone()
	forgets := r.deletes()
	o := r.foldOptions()
	if !r.calm() || len(gone) == 0 && !forgets && !r.archive.Expires(o) {
		return false, nil
	}
	o.Partial = !forgets // then what others show does not matter
	absorb := make(map[mmapstore.ID]bool, len(gone))
	var sources []aggregate.Source
	for _, h := range gone {
		absorb[h.id] = true
		sources = append(sources, h.source(mmapstore.Dead, r.keys, nil))
	}
	if forgets {
		for _, h := range r.sorted() {
			if !absorb[h.id] && h.record != nil {
				sources = append(sources, h.source(h.state(r.now), r.keys, nil))
			}
		}
	}
	next, changed, err := aggregate.Fold(r.archive, sources, absorb, o)
	if err != nil || !changed {
		return false, err
	}
	return r.commit(ctx, next, gone)
}

func (r *Reader) foldOptions() aggregate.FoldOptions {
	return aggregate.FoldOptions{KeepIDs: r.o.Retention}
}

// gone are hosts that have said goodbye, or were not heard of for long enough.
func (r *Reader) gone() (all []*host) {
	for _, h := range r.sorted() {
		gone := h.entry.final() || h.entry.age(r.now) > max(r.o.HostTTL, h.entry.ttl)
		if gone && !h.stuck && !h.entry.unread && h.record != nil && h.seq == h.entry.seq && len(all) < foldAtOnce {
			all = append(all, h)
		}
	}
	return all
}

// deletes reports whether some host has deleted a series of which the archive holds a
// share. That is forgotten if all hosts are known, and none shows it.
func (r *Reader) deletes() bool {
	for _, h := range r.hosts {
		if h.record == nil {
			return false
		}
	}
	held := r.heldSeries()
	for _, h := range r.hosts {
		for i, past := range h.record.History.Series {
			if past.Deleted != 0 && held[keyOf(h.record, i)] {
				return true
			}
		}
	}
	return false
}

// seriesKey is a series by its names.
type seriesKey struct {
	family string
	labels mmapstore.Labels
}

func keyOf(a *aggregate.Archive, i int) seriesKey {
	s := &a.Schema.Series[i]
	return seriesKey{a.Schema.Families[s.Family].Name, s.Labels}
}

// heldSeries are those of the archive.
func (r *Reader) heldSeries() map[seriesKey]bool {
	if r.held == nil || r.heldOf != r.archive {
		r.held, r.heldOf = make(map[seriesKey]bool, len(r.archive.Schema.Series)), r.archive
		for i := range r.archive.Schema.Series {
			r.held[keyOf(r.archive, i)] = true
		}
	}
	return r.held
}

// commit puts the successor of the archive in force, in the same step in which the hosts
// that it holds leave the index. It reports false if somebody was faster.
func (r *Reader) commit(ctx context.Context, next *aggregate.Archive, gone []*host) (done bool, err error) {
	e := edition{next.Generation, next.ID, r.o.ByHost}
	names := []string{r.keys.index(), r.keys.archive()}
	bytes, err := encodeArchive(next)
	if err != nil {
		return false, err
	}
	args := []any{r.edition.String(), e.String(), bytes, r.o.HostTTL.Milliseconds(), r.o.Retention.Milliseconds()}
	for _, h := range gone {
		names = append(names, r.keys.host(h.id), r.keys.gone(h.id))
		args = append(args, h.id.String(), h.seq)
	}
	answer, err := r.scripts.fold.Run(ctx, r.o.Client, names, args...).Text()
	id, lost := strings.CutPrefix(answer, "lost ")
	switch {
	case err != nil:
		return false, fmt.Errorf("commit the archive: %w", err)
	case lost:
		return true, r.refill(ctx, id, gone)
	case answer == "archive", answer == "moved":
		return false, nil
	case answer != "ok":
		return false, errors.New("commit the archive: answer " + answer)
	}
	next.Succeed(r.archive, time.Now())
	r.archive, r.edition = next, e
	for _, h := range gone {
		r.recent.add(h, time.Now())
		delete(r.hosts, h.id)
	}
	r.metrics.folded.Add(uint64(len(gone)))
	r.metrics.commits.Add(1)
	return true, nil
}

// refill puts the publication of a host back whose key alone is lost. Where that cannot be
// done, the host is not for us to fold, and the others are.
func (r *Reader) refill(ctx context.Context, id string, gone []*host) error {
	for _, h := range gone {
		if h.id.String() != id {
			continue
		}
		_, _, err := r.putHostsBack(ctx, []*host{h})
		return err
	}
	return fmt.Errorf("commit the archive: %w: lost host %.40q", errEntry, id)
}
