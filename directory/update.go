//go:build unix

package directory

import (
	"cmp"
	"slices"
	"time"

	"github.com/promfold/promfold/internal/spread"
	"github.com/promfold/promfold/mmapstore"
)

// update probes the files, then refreshes them, and lists them in the view.
func (d *Directory) update(v *View) {
	all := d.inOrder()
	if v.nativeOnly {
		all = slices.DeleteFunc(slices.Clone(all), func(f *tracked) bool { return f.stock != nil && !f.orphan })
	}
	now := time.Now()
	for _, f := range all {
		f.seen = d.archive.Generation
		if f.stock != nil {
			f.stock.SetOverrides(v.overrides.of)
		}
		f.probeDue(now)
	}
	damages := d.scratch.refresh(all)
	files := make([]File, len(all))
	v.Files = make([]*File, len(all))
	for i, f := range all {
		if damages[i] != nil {
			v.Problems = append(v.Problems, Problem{f.path, damages[i]})
		}
		f.refs.Add(1)
		files[i] = File{
			file: f, verdict: f.verdict, identity: f.identity(), created: f.born(),
			labels: d.o.Labels, damage: damages[i], orphan: f.orphan,
		}
		v.Files[i] = &files[i]
	}
	clear(damages)
	d.scratch.ordered = orderProviders(v.Files, d.scratch.ordered)
	if !v.nativeOnly {
		d.assignIdentities(v.Files)
	}
}

// inOrder are the files that are followed, by birth. Most were in the last scan, in
// the same order.
func (d *Directory) inOrder() []*tracked {
	m := &d.scratch
	m.scans++
	known := len(m.order)
	take := func(f *tracked) {
		f.scan = m.scans
		if !f.ordered {
			f.ordered = true
			m.order = append(m.order, f)
		}
	}
	for _, f := range d.files {
		take(f)
	}
	for _, f := range d.orphans {
		take(f)
	}
	if len(m.order) > known {
		slices.SortFunc(m.order, byBirth)
	}
	m.order = slices.DeleteFunc(m.order, func(f *tracked) bool { return f.scan != m.scans })
	return m.order
}

func byBirth(a, b *tracked) int {
	return cmp.Or(cmp.Compare(a.born(), b.born()), cmp.Compare(a.path, b.path))
}

// refresh reads what was appended to the files, on several processors if some are
// new: to parse the schema of one takes as long as to look at hundreds that are known,
// whom other goroutines would help no more than they cost. It returns what is damaged,
// file by file, until the next call.
func (m *scratch) refresh(all []*tracked) []error {
	m.damages = slices.Grow(m.damages[:0], len(all))[:len(all)]
	unread := 0
	for _, f := range all {
		if !f.read {
			f.read = true
			unread++
		}
	}
	refresh := func(i int) { m.damages[i] = all[i].refresh() }
	if unread > 1 {
		spread.Each(len(all), refresh)
		return m.damages
	}
	for i := range all {
		refresh(i)
	}
	return m.damages
}

// assignIdentities gives every live process its value of the label pid. The dead
// give theirs up first: a restart takes over the identity.
func (d *Directory) assignIdentities(files []*File) {
	owners := d.scratch.owners
	if owners == nil {
		owners = make(map[mmapstore.ID]bool)
	}
	for _, f := range files {
		if f.verdict.State == mmapstore.Dead {
			continue
		}
		if owner := f.Owner(); owner != (mmapstore.ID{}) {
			owners[owner] = true
		}
	}
	d.releaseOwners(owners)
	for _, f := range files {
		if f.verdict.State == mmapstore.Dead {
			continue
		}
		if owner := f.Owner(); owners[owner] {
			f.identity = d.o.Identities.Assign(owner, f.identity)
		}
	}
	clear(d.owners)
	d.scratch.owners, d.owners = d.owners, owners
}

// releaseOwners frees the identities of all processes but those that remain.
func (d *Directory) releaseOwners(remain map[mmapstore.ID]bool) {
	for id := range d.owners {
		if !remain[id] {
			d.o.Identities.Release(id)
		}
	}
}
