package stock

import (
	"maps"
	"slices"
)

// clone is an index to be written to, in the place of one that is shared.
func (x *index) clone() *index {
	c := &index{
		metrics: slices.Clone(x.metrics), sets: slices.Clone(x.sets), marks: slices.Clone(x.marks), items: slices.Clone(x.items),
		byName: maps.Clone(x.byName), byText: maps.Clone(x.byText), metric: x.metric, mark: x.mark,
	}
	for i := range c.metrics {
		c.metrics[i].byLabels = maps.Clone(c.metrics[i].byLabels)
	}
	return c
}

// clone is a plan to be written to, of the same version. What a plan's slices hold
// is never written over once somebody may load by it: with the capacity cut off,
// both plans can go on behind it.
func (p *plan) clone() *plan {
	c := *p
	c.schema.Families, c.schema.Series = slices.Clip(p.schema.Families), slices.Clip(p.schema.Series)
	c.ops, c.cells, c.single = slices.Clip(p.ops), slices.Clip(p.cells), slices.Clone(p.single)
	c.families, c.united, c.gauges = maps.Clone(p.families), maps.Clone(p.united), maps.Clone(p.gauges)
	c.union = slices.Clone(p.union) // sorted in place
	c.bounds, c.key = nil, nil
	return &c
}
