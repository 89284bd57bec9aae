package aggregate

import (
	"cmp"
	"slices"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Recorder makes records of a set of sources, one after the other: what a reader
// elsewhere needs to take part in their merge without them. What it learned of the
// sources it keeps from record to record, as a Merger does. It is for one goroutine at
// a time.
type Recorder struct {
	m    *Merger
	last *Archive
}

// NewRecorder makes a recorder. now gives the time of day, to several goroutines; nil
// means time.Now.
func NewRecorder(now func() time.Time) *Recorder {
	m := NewMerger(now)
	m.folding = true
	return &Recorder{m: m}
}

// Record is the sources as one, which stands for all of them: sums are unrounded, types
// and modes that disagree stay apart, and gauges of the living are there as well, so that
// it is to be taken As a source that lives as long as whoever records. Merged with the
// records of others it gives what a merge of all sources would.
//
// As long as nothing but values changed, records share Schema and History. A source
// that cannot be read takes part with its last good values; one that never could be
// is in unread, as are the others.
func (r *Recorder) Record(sources []Source) (record *Archive, unread []Unread) {
	if r.m.accumulate(sources) || r.last == nil {
		if next := r.m.layOut(); r.last == nil || !sameLayout(r.last, next) { // disagreement alone lays out the same again
			r.last = next
		}
	}
	record = &Archive{Schema: r.last.Schema, History: r.last.History}
	record.Words = make([]uint64, 0, record.Schema.Words)
	for _, v := range r.m.recorded() {
		for _, s := range v.recorded() {
			record.Words = r.m.appendWords(record.Words, s)
		}
	}
	return record, r.m.unread()
}

func sameLayout(a, b *Archive) bool {
	sameFamily := func(a, b mmapstore.Family) bool {
		return a.Name == b.Name && a.Help == b.Help && a.Unit == b.Unit && a.Type == b.Type && a.Mode == b.Mode &&
			a.Partial == b.Partial && slices.Equal(a.Bounds, b.Bounds) && slices.Equal(a.Spelled, b.Spelled)
	}
	return slices.EqualFunc(a.Schema.Families, b.Schema.Families, sameFamily) && slices.Equal(a.Schema.Series, b.Schema.Series) &&
		slices.Equal(a.History.Families, b.History.Families) && slices.Equal(a.History.Series, b.History.Series)
}

// layOut is a record without its values.
func (m *Merger) layOut() *Archive {
	a := NewArchive()
	for _, v := range m.recorded() {
		a.addFamily(v, nil)
		for _, s := range v.recorded() {
			if v.typ == mmapstore.Histogram && !slices.Equal(a.Schema.Families[len(a.Schema.Families)-1].Bounds, s.bounds) {
				a.addFamily(v, s.bounds)
			}
			created := s.life.createdTime()
			if v.mode.PerProcess() {
				created = m.birth(s)
			}
			a.layOutSeries(s, created, m.recordedPast(s))
		}
	}
	return a
}

// recordedPast is how the contributors of a series lived. Died says that none of them
// lives that shows it: those who read the record cannot tell otherwise, as it lives.
func (m *Merger) recordedPast(s *series) Past {
	past := s.life.past
	if s.life.live {
		s.died = 0
	} else if s.died == 0 {
		s.died = m.began
	}
	switch {
	case s.life.live:
		past.Died = 0
	case s.family.mode.PerProcess():
		past.Died = cmp.Or(past.Died, s.died)
	default:
		past.Died = 1
	}
	return past
}

// recorded are the variants of all groups, in an order of their own.
func (m *Merger) recorded() (all []*variant) {
	for _, g := range m.sortedGroups() {
		slices.SortFunc(g.variants, func(a, b *variant) int {
			return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.mode, b.mode))
		})
		for _, v := range g.variants {
			if v.newest != unborn {
				all = append(all, v)
			}
		}
	}
	return all
}

// recorded are the series of the variant to which somebody contributes. Series of the
// same bounds follow each other, and share a family.
func (v *variant) recorded() []*series {
	all := slices.DeleteFunc(slices.Clone(v.order), func(s *series) bool { return s.life.contributors == 0 })
	if v.typ == mmapstore.Histogram {
		slices.SortStableFunc(all, func(a, b *series) int { return slices.Compare(a.bounds, b.bounds) })
	}
	return all
}

// addFamily adds a family to the archive, a histogram with the bounds.
func (a *Archive) addFamily(v *variant, bounds []float64) {
	a.History.Families = append(a.History.Families, v.newest)
	a.Schema.Families = append(a.Schema.Families, mmapstore.Family{
		Name: v.name, Help: v.help, Unit: v.unit, Type: v.typ, Mode: v.mode,
		Bounds: bounds, Spelled: v.spelling.of(bounds), Partial: v.observed != nil,
	})
}

// layOutSeries adds a series to the family that was added last, without its words.
func (a *Archive) layOutSeries(s *series, created int64, past Past) {
	family := len(a.Schema.Families) - 1
	a.Schema.Series = append(a.Schema.Series, mmapstore.Series{
		Family: family, Labels: s.labels, Created: created, Word: a.Schema.Words,
	})
	a.Schema.Words += a.Schema.Families[family].WordCount(archiveSumWords)
	a.History.Series = append(a.History.Series, past)
}
