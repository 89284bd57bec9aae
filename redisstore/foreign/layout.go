package foreign

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/promfold/promfold/mmapstore"
)

// layout is a table on its way to a schema and its values. Two tables with the same
// series come to the same schema: families and series are in order.
type layout struct {
	help   Help
	round  *Round
	schema mmapstore.Schema
	words  []uint64
}

// lay lays out all that is in the table.
func (t *Table) lay(help Help) *layout {
	l := &layout{help: help, round: t.round, schema: mmapstore.Schema{SumWords: 1}}
	keys := slices.SortedFunc(maps.Keys(t.families), func(a, b familyKey) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.typ, b.typ))
	})
	for _, key := range keys {
		all := t.families[key].series
		if key.typ == mmapstore.Histogram {
			l.histograms(key, all)
			continue
		}
		family := l.family(key, mmapstore.Family{})
		for _, labels := range slices.Sorted(maps.Keys(all)) {
			l.add(family, labels, all[labels])
		}
	}
	l.schema.Words = len(l.words)
	return l
}

// family adds a family, of which f is what only histograms have.
func (l *layout) family(key familyKey, f mmapstore.Family) int {
	f.Name, f.Type, f.Help = key.name, key.typ, l.help.of(key.name)
	if key.typ == mmapstore.Gauge {
		// Of one value the maximum is that value, bit for bit, whatever it is; a sum
		// would lose the sign of zero, and the latest is not known.
		f.Mode = mmapstore.Max
	}
	l.schema.Families = append(l.schema.Families, f)
	return len(l.schema.Families) - 1
}

// histograms adds the series of a histogram. Those with the same bounds are of one
// family of the schema; to the merge all of them are one.
func (l *layout) histograms(key familyKey, all map[mmapstore.Labels]*series) {
	known := make(map[string]int)
	last := -1
	for _, labels := range slices.Sorted(maps.Keys(all)) {
		at := all[labels]
		at.settle(l.round)
		if len(at.buckets) > mmapstore.MaxBounds {
			l.round.Bad(at.where, OverLimit, "too many buckets")
			continue
		}
		if last < 0 || !at.sameBounds(&l.schema.Families[last]) {
			signature := at.signature()
			family, ok := known[signature]
			if !ok {
				family = l.family(key, at.boundsOf())
				known[signature] = family
			}
			last = family
		}
		l.add(last, labels, at)
	}
}

func (at *series) signature() string {
	b := make([]byte, 0, 8*len(at.buckets))
	for _, bucket := range at.buckets {
		b = binary.NativeEndian.AppendUint64(b, math.Float64bits(bucket.bound.At))
	}
	return string(b)
}

// add gives a series its place, and appends its values.
func (l *layout) add(family int, labels mmapstore.Labels, at *series) {
	f := &l.schema.Families[family]
	if len(l.words)+f.WordCount(1) > mmapstore.MaxWords {
		l.round.Bad(at.where, OverLimit, "too many values")
		return
	}
	l.schema.Series = append(l.schema.Series, mmapstore.Series{Family: family, Labels: labels, Word: len(l.words)})
	switch f.Type {
	case mmapstore.Counter:
		l.words = append(l.words, 0, math.Float64bits(at.value))
	case mmapstore.Histogram:
		l.words = at.histogramWords(l.words)
	case mmapstore.Summary:
		if !at.has[Sum] || !at.has[Count] {
			l.round.Defect(at.where, Incomplete)
		}
		l.words = append(l.words, math.Float64bits(at.sum), at.count)
	default:
		l.words = append(l.words, 1, math.Float64bits(at.value))
	}
}
