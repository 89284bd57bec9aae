package worker

import (
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// AddGatherer has the store take snapshots of all that g gathers, on its timer,
// at Flush and at Close: for collectors that count somewhere else. A SIGKILL
// loses what they counted since the last snapshot.
//
// Families that are native to the store are left out, and so are series that
// the store's Registerer or an earlier gatherer has shown. Of summaries, quantiles are left out. Gauges have
// the mode that Options.GaugeModes gives them; else start times and infos have
// one that suits them (Min and Max), and all others LiveAll.
//
// A store without a file ignores g: let the handler of /metrics gather it.
func (s *Store) AddGatherer(g prometheus.Gatherer) {
	s.upkeep.snapshots.add(source{gatherer: g})
	s.upkeep.soon()
}

// snapshots brings what is not native into the file.
type snapshots struct {
	store *Store
	added sources

	// Guarded by the upkeep lock.
	round    uint64
	families map[string]*mirrors // by family.key
}

// mirrors are the snapshotted series of one family.
type mirrors struct {
	family *family
	series map[mmapstore.Labels]*mirror
}

func (t *snapshots) init(s *Store) {
	t.store = s
	t.families = make(map[string]*mirrors)
	t.add(source{gatherer: s.others, own: true})
}

// take is one round. A series that is not seen any more is marked deleted,
// unless something could not be gathered: then nobody knows.
func (t *snapshots) take() {
	t.round++
	whole := true
	for _, src := range t.added.list() {
		before := t.store.nativeNames() // it may be unregistered while it is gathered
		got, err := gather(src.gatherer)
		if err != nil {
			t.store.note("gather", "a snapshot is not complete", "err", err)
			whole = false
		}
		for _, mf := range got {
			name := mf.GetName()
			if src.own || !before[name] && !t.store.isNative(name) {
				t.takeFamily(mf, src.tag)
			}
		}
	}
	if whole {
		t.deleteUnseen()
	}
}

// gather calls code of others, which may panic.
func gather(g prometheus.Gatherer) (got []*dto.MetricFamily, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return g.Gather()
}

// nativeNames is the names of the families that are native now.
func (s *Store) nativeNames() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make(map[string]bool, len(s.native))
	for name := range s.native {
		names[name] = true
	}
	return names
}

func (s *Store) isNative(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.native[name] > 0
}

func (t *snapshots) takeFamily(mf *dto.MetricFamily, tag string) {
	meta := mmapstore.Family{Name: mf.GetName(), Help: mf.GetHelp(), Unit: mf.GetUnit()}
	switch mf.GetType() {
	case dto.MetricType_COUNTER:
		meta.Type = mmapstore.Counter
	case dto.MetricType_GAUGE:
		meta.Type = mmapstore.Gauge
	case dto.MetricType_UNTYPED:
		meta.Type = mmapstore.Untyped
	case dto.MetricType_HISTOGRAM:
		meta.Type = mmapstore.Histogram
	case dto.MetricType_SUMMARY:
		meta.Type = mmapstore.Summary
	default:
		t.store.note("type", "a family is not in the snapshot", "metric", meta.Name, "type", mf.GetType())
		return
	}
	var last *mirrors
	for _, d := range mf.GetMetric() {
		last = t.takeMetric(meta, tag, d, last)
	}
}

// takeMetric takes one metric of a family. It returns the mirrors it belongs to,
// which are most likely those of the next too.
func (t *snapshots) takeMetric(meta mmapstore.Family, tag string, d *dto.Metric, last *mirrors) *mirrors {
	pairs := make([]mmapstore.Label, len(d.GetLabel()))
	for i, l := range d.GetLabel() {
		pairs[i] = mmapstore.Label{Name: l.GetName(), Value: l.GetValue()}
	}
	labels, err := mmapstore.EncodeLabels(pairs)
	if err != nil {
		t.store.note("labels", "a label set is too large for the file", "metric", meta.Name, "err", err)
		return last
	}
	switch meta.Type {
	case mmapstore.Gauge:
		meta.Mode = t.store.snapshotMode(meta.Name, labels)
	case mmapstore.Histogram:
		meta.Bounds = finiteBounds(d.GetHistogram())
	}
	if last == nil || last.family.meta.Mode != meta.Mode || !slices.Equal(last.family.meta.Bounds, meta.Bounds) {
		last = t.mirrors(meta, tag)
	}
	m := last.series[labels]
	if m == nil {
		m = newMirror(last.family, labels)
		last.series[labels] = m
	}
	if m.seen != t.round { // else an earlier source has shown it
		m.seen = t.round
		m.take(d)
	}
	return last
}

// mirrors finds those of a family.
func (t *snapshots) mirrors(meta mmapstore.Family, tag string) *mirrors {
	f := t.store.newFamily(nil, shape{}, meta)
	f.tag = tag
	key := f.key()
	if t.families[key] == nil {
		t.families[key] = &mirrors{f, make(map[mmapstore.Labels]*mirror)}
	}
	return t.families[key]
}

func (t *snapshots) deleteUnseen() {
	for _, fam := range t.families {
		for labels, m := range fam.series {
			if m.seen == t.round {
				continue
			}
			if !m.remove() {
				delete(fam.series, labels)
			}
		}
	}
}

// finiteBounds are the bounds of a gathered histogram, without +Inf.
func finiteBounds(h *dto.Histogram) []float64 {
	var bounds []float64
	for _, b := range h.GetBucket() {
		if !math.IsInf(b.GetUpperBound(), +1) {
			bounds = append(bounds, b.GetUpperBound())
		}
	}
	return bounds
}
