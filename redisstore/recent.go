package redisstore

import (
	"slices"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// recent is the hosts that were folded not long ago, with their publications, in the
// order in which they were: should Redis forget the archive that holds them, they are
// needed again.
type recent struct {
	all   []folded
	bytes int // of their publications
}

type folded struct {
	*host
	at time.Time
}

// Limits of what is kept.
const (
	recentAge   = 10 * time.Minute
	recentBytes = 64 << 20
)

func (r *recent) add(h *host, now time.Time) {
	kept := *h
	kept.as, kept.record = nil, nil // what travels is enough
	r.all = append(r.all, folded{&kept, now})
	r.bytes += kept.pub.size()
	drop := 0
	for drop < len(r.all) && (r.bytes > recentBytes || now.Sub(r.all[drop].at) > recentAge) {
		r.bytes -= r.all[drop].pub.size()
		drop++
	}
	r.all = slices.Delete(r.all, 0, drop)
}

// find is the host as of the publication that was folded, nil if that was not lately.
func (r *recent) find(id mmapstore.ID, seq uint64) *host {
	for i := range r.all {
		if r.all[i].id == id && r.all[i].seq == seq {
			return r.all[i].host
		}
	}
	return nil
}
