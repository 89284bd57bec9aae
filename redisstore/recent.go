package redisstore

import (
	"slices"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// recent is the hosts that were folded by us not long ago, with their publications, in the
// order in which they were: should Redis forget the archive that holds them, they are
// needed again.
type recent struct{ all []folded }

type folded struct {
	*host
	at time.Time
}

// Limits of what is kept.
const (
	recentAge   = 10 * time.Minute
	recentCount = 2000
)

func (r *recent) add(h *host, now time.Time) {
	r.all = slices.DeleteFunc(r.all, func(f folded) bool { return now.Sub(f.at) > recentAge })
	if n := len(r.all) - recentCount + 1; n > 0 {
		r.all = slices.Delete(r.all, 0, n)
	}
	kept := *h
	kept.as, kept.record = nil, nil // what travels is enough
	r.all = append(r.all, folded{&kept, now})
}

// find is the host, nil if it was not folded lately.
func (r *recent) find(id mmapstore.ID) *host {
	for i := range r.all {
		if r.all[i].id == id {
			return r.all[i].host
		}
	}
	return nil
}
