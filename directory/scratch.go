//go:build unix

package directory

import (
	"maps"

	"github.com/promfold/promfold/mmapstore"
)

// scratch is memory that the scans of a Directory use one after the other, so that
// one which finds nothing new allocates next to nothing. Between scans it holds no
// file but those in order, which are followed.
type scratch struct {
	listing *listing
	order   []*tracked // the files of the last scan, by birth
	scans   uint64
	damages []error
	turns   []int // of the files in order: see sort
	ordered []numbered
	owners  map[mmapstore.ID]bool // to be the next Directory.owners
	most    int                   // files of a scan, since the maps were made
}

// begin begins a listing, which the caller ends.
func (m *scratch) begin(d *Directory, v *View) *listing {
	if m.listing == nil {
		m.listing = newListing(d)
	}
	m.listing.begin(v)
	return m.listing
}

// roomy is how many times the files that there are may find room.
const roomy = 8

// shrink gives memory back when there were many more files than there are now: maps
// stay as large as they ever were, and each scan empties them.
func (m *scratch) shrink(d *Directory) {
	n := len(d.files) + len(d.orphans)
	if m.most = max(m.most, n); m.most <= roomy*max(n, roomy) {
		return
	}
	d.files, d.orphans = maps.Collect(maps.All(d.files)), maps.Collect(maps.All(d.orphans))
	d.owners = maps.Collect(maps.All(d.owners))
	*m = scratch{order: append([]*tracked(nil), m.order...), scans: m.scans, most: n}
}
