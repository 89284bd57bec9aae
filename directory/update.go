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
	spread.Each(len(m.turns), func(i int) { look(m.turns[i]) })
	return m.damages
}

// sort gives the files their turns. What is parsed of a file serves those that are
// like it, so the first that is new of each kind comes first, the largest before all; and of the
// others those come last that wait for it. It returns how many are new.
func (m *scratch) sort(all []*tracked) (fresh int) {
	m.turns = m.turns[:0]
	var first []int
	size := make(map[string]int64) // by kind, of the first of it that is new
	for i, f := range all {
		m.turns = append(m.turns, i)
		if f.read {
			continue
		}
		fresh++
		if f.stock == nil {
			continue
		}
		if _, known := size[f.stock.kind()]; !known {
			size[f.stock.kind()] = f.info.Size()
			first = append(first, i)
		}
	}
	if len(first) == 0 {
		return fresh
	}
	slices.SortFunc(first, func(a, b int) int { return cmp.Compare(all[b].info.Size(), all[a].info.Size()) })
	order := make([]int64, len(all))
	for i, f := range all {
		if !f.read && f.stock != nil {
			order[i] = size[f.stock.kind()]
		}
	}
	for turn, i := range first {
		order[i] = int64(turn - len(first)) // before all others
	}
	slices.SortStableFunc(m.turns, func(a, b int) int { return cmp.Compare(order[a], order[b]) })
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
