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
	if m.shape.typ == mmapstore.Histogram {
		family = p.histogram(x, s, t)
	} else if family == none {
		family = p.addFamily(m, mmapstore.Family{})
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
	p.placeHistogram(x, s, int32(word), t)
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
// bounds. It leaves the bounds in p.bounds.
func (p *plan) histogram(x *index, s int32, t *Traits) int32 {
	var whole bool
	if t.Sparse {
		p.bounds = append(p.bounds[:0], p.union...)
	} else {
		p.bounds, whole = x.boundaries(p.bounds, s)
	}
	p.key = familyKey(p.key, x.sets[s].metric, whole, p.bounds)
	family, ok := p.families[string(p.key)]
	if !ok {
		f := mmapstore.Family{Partial: !whole}
		f.Bounds, f.Spelled = x.spell(p.bounds)
		family = p.addFamily(&x.metrics[x.sets[s].metric], f)
		p.families[string(p.key)] = family
	}
	return family
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

func (p *plan) placeHistogram(x *index, s, word int32, t *Traits) {
	x.each(s, func(it *item) {
		if x.checkPart(it, mmapstore.Histogram) != nil {
			return
		}
		switch it.part {
		case Sum:
			p.place(addSum, it, word, notZero)
		case Bucket:
			bucket := bucketOf(p.bounds, x.marks[it.mark].bound)
			p.place(addCount, it, word+1+int32(bucket), notLess)
		}
	})
	if t.Cumulative {
		p.ops = append(p.ops, op{difference, int32(len(p.bounds) + 1), word + 1})
	}
}

func (p *plan) place(what operation, it *item, word int32, s settle) {
	p.ops = append(p.ops, op{what, it.word, word})
	p.cells[it.word] = s
}
