//go:build unix

package directory

import (
	"cmp"
	"slices"
	"time"

	"github.com/promfold/promfold/internal/spread"
	"github.com/promfold/promfold/mmapstore"
)

// update probes and refreshes the files, and lists them in the view.
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
	}
	damages := d.scratch.look(all, now)
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

// worthSpreading is how many files that are known are worth the help of another
// processor: to look at one takes a few microseconds.
const worthSpreading = 32

// look probes each file and then reads what was appended to it, on several processors
// if there are many, or if some are new, whose schemas are to be parsed. It returns
// what is damaged, file by file, until the next call.
func (m *scratch) look(all []*tracked, now time.Time) []error {
	m.damages = slices.Grow(m.damages[:0], len(all))[:len(all)]
	fresh := m.sort(all)
	look := func(i int) {
		all[i].probeDue(now)
		all[i].read = true
		m.damages[i] = all[i].refresh()
	}
	if fresh == 0 && len(all) < worthSpreading {
		for i := range all {
			look(i)
		}
		return m.damages
	}
	spread.Each(len(m.first), func(i int) { look(m.first[i]) })
	spread.Each(len(m.rest), func(i int) { look(m.rest[i]) })
	return m.damages
}

// sort tells the first of each kind of the files that are new from the rest: what is
// parsed of a file serves those that are like it. It returns how many are new.
func (m *scratch) sort(all []*tracked) (fresh int) {
	m.first, m.rest = m.first[:0], m.rest[:0]
	var kinds map[string]bool
	for i, f := range all {
		if !f.read {
			fresh++
		}
		if f.read || f.stock == nil || kinds[f.stock.kind()] {
			m.rest = append(m.rest, i)
			continue
		}
		if kinds == nil {
			kinds = make(map[string]bool)
		}
		kinds[f.stock.kind()] = true
		m.first = append(m.first, i)
	}
	return fresh
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
