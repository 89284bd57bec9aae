package pdc

import (
	"strings"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
)

// classify tells family, type and part of an item. It returns the labels.
func (d *Decoder) classify(it *item, s *foreign.Sample) []mmapstore.Label {
	name, suffix := it.name, it.suffix
	if it.form == whole {
		name, suffix = d.split(it.name)
	}
	s.Family, s.Type = name+suffix, mmapstore.Gauge
	switch suffix {
	case total:
		s.Type = mmapstore.Counter
	case created:
		s.Prefer = 0 // of two the earlier
	case sum:
		s.Family, s.Type, s.Part = name, d.typeOf(name), foreign.Sum
	case count:
		s.Family, s.Type, s.Part = name, d.typeOf(name), foreign.Count
	case bucket:
		s.Family, s.Type, s.Part = name, mmapstore.Histogram, foreign.Bucket
	}
	return it.labels
}

// typeOf is that of a metric of sums and counts.
func (d *Decoder) typeOf(name string) mmapstore.Type {
	if d.is[name].bucket {
		return mmapstore.Histogram
	}
	return mmapstore.Summary
}

// split tells the suffix of a key. A gauge may have a name that ends like one: a sum
// without a count, or a bucket without bounds, is no part of anything.
func (d *Decoder) split(key string) (name, suffix string) {
	for _, suffix := range []string{total, created} {
		if name, ok := strings.CutSuffix(key, suffix); ok && name != "" {
			return name, suffix
		}
	}
	name, suffix = cutSuffix(key)
	t := d.is[name]
	if suffix == bucket && t.bucket || suffix != bucket && (t.bucket || t.parts || t.keyedSum && t.keyedCount) {
		return name, suffix
	}
	return key, noSuffix
}
