//go:build unix

package stock

import (
	"encoding/binary"

	"github.com/promfold/promfold/mmapstore"
)

// laySet gives a label set of a histogram or summary its place.
func (p *plan) laySet(x *index, s int32, t *Traits) {
	m := &x.metrics[x.sets[s].metric]
	p.checkParts(x, s, m.shape.typ)
	family := p.single[x.sets[s].metric]
	bounds := p.union
	switch {
	case m.shape.typ == mmapstore.Histogram && !p.shared:
		family, bounds = p.histogram(x, s, t)
	case family == none:
		var f mmapstore.Family
		if m.shape.typ == mmapstore.Histogram {
			f.Partial = true
			f.Bounds, f.Spelled = x.spell(bounds)
		}
		family = p.addFamily(m, f)
		p.single[x.sets[s].metric] = family
	}
	word, ok := p.addSeries(family, x.sets[s].labels, x.items[x.sets[s].first].off)
	if !ok {
		return
	}
	if m.shape.typ == mmapstore.Summary {
		p.placeSummary(x, s, int32(word))
		return
	}
	p.placeHistogram(x, s, int32(word), bounds, t.Cumulative)
}

// checkParts notes what of a set is no part of its type.
func (p *plan) checkParts(x *index, s int32, t mmapstore.Type) {
	x.each(s, func(it *item) {
		if err := x.checkPart(it, t); err != nil {
			p.damage(it.off, err)
		}
	})
}

// histogram is the family of a label set, made where there is none with its
// bounds, and these bounds, until the next call.
func (p *plan) histogram(x *index, s int32, t *Traits) (int32, []boundary) {
	var whole bool
	p.bounds, whole = x.boundaries(p.bounds, s)
	whole = whole && !t.Sparse // a bucket that is there says nothing of others
	p.key = familyKey(p.key, x.sets[s].metric, whole, p.bounds)
	family, ok := p.families[string(p.key)]
	if !ok {
		f := mmapstore.Family{Partial: !whole}
		f.Bounds, f.Spelled = x.spell(p.bounds)
		family = p.addFamily(&x.metrics[x.sets[s].metric], f)
		p.families[string(p.key)] = family
	}
	return family, p.bounds
}

// familyKey is what tells families of one metric apart.
func familyKey(dst []byte, metric int32, whole bool, bounds []boundary) []byte {
	dst = binary.NativeEndian.AppendUint32(dst[:0], uint32(metric))
	if whole {
		dst = append(dst, 1)
	}
	for _, b := range bounds {
		dst = binary.NativeEndian.AppendUint32(dst, uint32(b.mark))
	}
	return dst
}

func (p *plan) placeSummary(x *index, s, word int32) {
	x.each(s, func(it *item) {
		switch it.part {
		case Sum:
			p.place(addSum, it, word, notZero)
		case Count:
			p.place(addCount, it, word+1, notLess)
		}
	})
}

func (p *plan) placeHistogram(x *index, s, word int32, bounds []boundary, cumulative bool) {
	x.each(s, func(it *item) {
		if x.checkPart(it, mmapstore.Histogram) != nil {
			return
		}
		switch it.part {
		case Sum:
			p.place(addSum, it, word, notZero)
		case Bucket:
			bucket := bucketOf(bounds, x.marks[it.mark].bound)
			p.place(addCount, it, word+1+int32(bucket), notLess)
		}
	})
	if cumulative {
		p.ops = append(p.ops, op{what: difference, word: word + 1, n: int32(len(bounds) + 1)})
	}
}

func (p *plan) place(what operation, it *item, word int32, s settle) {
	p.cells[it.word] = s
	if n := len(p.ops); n > p.closed {
		o := &p.ops[n-1]
		step := strides[what]
		if o.what == what && step > 0 && it.word == o.cell+o.n*p.each && word == o.word+o.n*step {
			o.n++
			return
		}
	}
	p.ops = append(p.ops, op{what, it.word, word, 1})
}
