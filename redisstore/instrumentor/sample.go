package instrumentor

import (
	"slices"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
)

// sample adds an item to the table, as its metric's type has it.
func (d *decoder) sample(t *foreign.Table, name string, m *metric, it *item) {
	s := foreign.Sample{Family: name, Type: m.typ, Value: it.value, Where: it.where}
	labels := it.labels
	var ok bool
	switch m.typ {
	case mmapstore.Histogram:
		if ok = it.kind != value; it.kind == bucket {
			var found bool
			if labels, found = takeBound(labels, &s.Bound); !found {
				d.round.Bad(it.where, foreign.BadBound, "a bucket without a bound")
				return
			}
			s.Part = foreign.Bucket
		} else {
			s.Part = partOf(it.kind)
		}
	case mmapstore.Summary:
		if ok = it.kind != bucket; m.quants {
			s.Family, s.Type = quantileFamily(name, it.kind), mmapstore.Gauge
		} else {
			ok = ok && it.kind != value
			s.Part = partOf(it.kind)
		}
	default:
		ok = it.kind == value
	}
	if !ok {
		d.round.Bad(it.where, foreign.BadType, "no part of a "+m.typ.String())
		return
	}
	var err error
	if s.Labels, err = mmapstore.EncodeLabels(slices.Clone(labels)); err != nil {
		d.round.Bad(it.where, foreign.BadLabels, err.Error())
		return
	}
	t.Add(s)
}

func partOf(k kind) foreign.Part {
	if k == sum {
		return foreign.Sum
	}
	return foreign.Count
}

// quantileFamily is the family for a part of a summary that has quantiles. A merge
// knows none, as they cannot be added up; so each of the samples that a summary has
// is a gauge of the sample's name.
func quantileFamily(name string, k kind) string {
	switch k {
	case sum:
		return name + "_sum"
	case count:
		return name + "_count"
	}
	return name
}

// takeBound takes the bound out of the labels of a bucket.
func takeBound(labels []mmapstore.Label, b *foreign.Bound) (rest []mmapstore.Label, ok bool) {
	at := slices.IndexFunc(labels, func(l mmapstore.Label) bool { return l.Name == "le" })
	if at < 0 {
		return labels, false
	}
	*b, ok = foreign.ParseBound(labels[at].Value)
	return slices.Delete(slices.Clone(labels), at, at+1), ok
}
