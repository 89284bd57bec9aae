//go:build unix

package stock

import (
	"reflect"
	"slices"

	"github.com/promfold/promfold/mmapstore"
)

// kin are the files that this one, up to limit, may be like, if it is of the layout.
// Its first key must have been decoded.
func (r *Reader) kin(l layout, limit int64) kin {
	return kin{r.format.Kind(), mapAddress(r.overrides), l, limit}
}

func mapAddress(o mmapstore.Overrides) uintptr { return reflect.ValueOf(o).Pointer() }

// adopt looks for a sibling with the keys that the file has up to limit, and takes
// what was parsed of it. What was parsed of the file before is the beginning of that.
// Keys are compared where they are mapped: to copy them first would take longer than
// all the rest.
func (r *Reader) adopt(limit int64) (ok bool) {
	return r.adoptBy(limit, func(one *known) (same bool) {
		err := r.cells.Peek(limit, func(b []byte) { same = one.matches(b[headerSize:], r.differsFrom(one.sibling)) })
		return same && err == nil // or the file is parsed, which says what is wrong with it
	})
}

// adoptBy is adopt with the given comparison.
func (r *Reader) adoptBy(limit int64, same func(*known) bool) (ok bool) {
	if r.siblings == nil || !r.clean() {
		return false
	}
	layouts := []layout{r.layout}
	if r.layout == unknown {
		layouts = []layout{v16, v8}
	}
	for _, l := range layouts {
		for _, one := range r.siblings.hold(r.kin(l, limit)) {
			taken := !ok && r.mayTake(one.sibling) && same(&one) && r.take(one.sibling)
			if ok = ok || taken; !taken {
				r.siblings.letGo(one.sibling)
			}
		}
	}
	return ok
}

// clean reports whether nothing is wrong with the file, as far as it was read.
func (r *Reader) clean() bool {
	return r.tail.err == nil && r.damages.none() && r.plan.damages.none()
}

// mayTake reports whether the layout of the sibling goes on where that of the
// reader ends, or can be told from it by being longer.
func (r *Reader) mayTake(one *sibling) bool {
	old, now := &r.plan.schema, &one.plan.schema
	switch {
	case one == r.sibling:
		return false
	case r.plan.items == 0:
		return true
	case now.Version == old.Version:
		return continues(old, now)
	}
	return now.Words > old.Words
}

// differsFrom is where the file may begin to differ from the sibling.
func (r *Reader) differsFrom(one *sibling) int64 {
	if r.sibling != nil && r.sibling.born == one.from {
		return r.end
	}
	return headerSize
}

// take makes the reader a user of the sibling, which it holds. The plan is taken
// when the cells are mapped.
func (r *Reader) take(one *sibling) bool {
	if !r.cells.Take(one.places) {
		return false
	}
	if r.sibling != nil {
		r.siblings.outgrow(r.sibling)
	}
	r.layout = one.layout
	r.parsed += one.end - r.end
	r.sibling, r.index, r.end, r.overruled = one, one.index, one.end, false
	r.firstEntry, r.lastEntry = one.first, one.last
	return true
}

// show makes the plan of the sibling that of the reader.
func (r *Reader) show(p *plan) {
	if old := r.plan; old.items > 0 && old.schema.Version != p.schema.Version {
		r.least = old.schema.Words + 1
	}
	r.plan = p
}

// own makes what was parsed the reader's alone, to be written to.
func (r *Reader) own() {
	one := r.sibling
	if one == nil {
		return
	}
	raw, alone := r.siblings.takeBack(one)
	r.show(one.plan)
	r.sibling, r.raw, r.from = nil, raw, one.from
	if !alone {
		r.index, r.plan = one.index.clone(), one.plan.clone()
		r.raw, r.from = raw[:len(raw):len(raw)], one.born
		r.siblings.outgrow(one)
	}
}

// expect makes room for the entries up to limit, if they may be offered: those
// before are at hand, or there are none.
func (r *Reader) expect(limit int64) {
	n := limit - headerSize
	if r.siblings == nil || r.end > headerSize && r.raw == nil || n > min(maxRaw, r.cells.Held()) {
		r.raw = nil
		return
	}
	r.raw = slices.Grow(r.raw, int(n)-len(r.raw))
}

// collect keeps entries that were parsed, if they are expected.
func (r *Reader) collect(b []byte) {
	if r.raw != nil {
		r.raw = append(r.raw, b...)
	}
}

// join takes a sibling that was offered while the reader parsed the same.
func (r *Reader) join(limit int64) {
	if len(r.raw) == 0 || r.end != limit {
		return
	}
	if r.adoptBy(limit, func(one *known) bool { return one.matches(r.raw, headerSize) }) {
		r.raw = nil
	}
}

// offer makes what was parsed known to the siblings.
func (r *Reader) offer(limit int64) {
	raw := r.raw
	r.raw = nil
	if len(raw) == 0 || r.end != limit || !r.clean() {
		return
	}
	r.sibling = &sibling{
		kin: r.kin(r.layout, limit), born: r.siblings.version(nil), from: r.from, overrides: r.overrides,
		index: r.index, plan: r.plan, places: r.cells.Places(), first: r.firstEntry, last: r.lastEntry, raw: raw,
	}
	r.siblings.add(r.sibling)
}
