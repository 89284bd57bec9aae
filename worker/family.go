package worker

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// family is one native collector of a store: a Vec and its children, or a
// single metric. What the file calls a family is a fileFamily.
type family struct {
	store *Store
	desc  *prometheus.Desc // nil for snapshotted families
	shape
	meta mmapstore.Family // Mode: what the code asked for, ModeNone if nothing
	// tag keeps families apart in the file that it would otherwise take for
	// one. See adopt.
	tag string
	// vec tells which children are still wanted; nil for a single metric and
	// for snapshots.
	vec *prometheus.MetricVec

	// Guarded by Store.mu.
	retired  bool        // not registered any more: children wait out of the file
	file     *fileFamily // nil until the first child needs it
	children map[mmapstore.Labels]child
	crowd    int // so many children are looked through without waiting for upkeep
}

// fewChildren are not worth a look whether all of them are still wanted.
const fewChildren = 1024

// shape is what a prometheus.Desc says about labels.
type shape struct {
	variable []string // in the order of label values
	constant []mmapstore.Label
}

// newFamily makes a family for a desc and what the desc was made of.
func (s *Store) newFamily(desc *prometheus.Desc, sh shape, meta mmapstore.Family) *family {
	return &family{
		store: s, desc: desc, shape: sh, meta: meta,
		children: make(map[mmapstore.Labels]child), crowd: fewChildren,
	}
}

// newVec gives the family a Vec, whose type only its wrapper knows.
func (f *family) newVec() *prometheus.MetricVec {
	f.vec = prometheus.NewMetricVec(f.desc, f.newChild)
	return f.vec
}

// newChild makes the metric for a label set and finds it a place.
//
// A Vec calls it with its own lock held, and only for a label set that it does
// not have: if the family has such a child, it was deleted from the Vec.
func (f *family) newChild(lvs ...string) prometheus.Metric {
	if len(lvs) != len(f.variable) {
		panic(fmt.Errorf("metric %q has %d labels, not %d", f.meta.Name, len(f.variable), len(lvs)))
	}
	m := f.makeChild()
	m.base().pairs = prometheus.MakeLabelPairs(f.desc, lvs)
	f.settleChild(m, lvs)
	return m
}

// settleChild names a new child to the family and finds it a place.
func (f *family) settleChild(m child, lvs []string) {
	c := m.base()
	var err error
	if c.labels, err = f.encode(lvs); err != nil {
		f.store.note("labels", "a label set is too large for the file", "metric", f.meta.Name, "err", err)
		c.state = loose
		c.detach()
		return
	}
	f.store.adopt(m)
}

func (f *family) makeChild() child {
	switch f.meta.Type {
	case mmapstore.Counter:
		return newCounter(f)
	case mmapstore.Histogram:
		return newHistogram(f)
	case mmapstore.Summary:
		return newSummary(f)
	case mmapstore.Info:
		g := newGauge(f)
		g.Set(1)
		return g
	default:
		return newGauge(f)
	}
}

// encode is the label set of a child as the file has it.
func (f *family) encode(lvs []string) (mmapstore.Labels, error) {
	pairs := make([]mmapstore.Label, 0, len(f.constant)+len(lvs))
	pairs = append(pairs, f.constant...)
	for i, name := range f.variable {
		pairs = append(pairs, mmapstore.Label{Name: name, Value: lvs[i]})
	}
	return mmapstore.EncodeLabels(pairs)
}

func (f *family) cumulative() bool { return f.meta.Type.Cumulative() }

// hasLabel reports whether children carry the label.
func (f *family) hasLabel(name string) bool {
	for _, l := range f.constant {
		if l.Name == name {
			return true
		}
	}
	for _, l := range f.variable {
		if l == name {
			return true
		}
	}
	return false
}

// fileMeta is the family as the file of the store has it.
func (f *family) fileMeta() mmapstore.Family {
	meta := f.meta
	meta.Help = clip(meta.Help, mmapstore.MaxHelp)
	meta.Unit = clip(meta.Unit, mmapstore.MaxName)
	if !f.cumulative() && meta.Mode == mmapstore.ModeNone {
		meta.Mode = LiveAll
		if mode, ok := f.store.options.GaugeModes[meta.Name]; ok {
			meta.Mode = mode
		}
	}
	return meta
}

// key is equal for families that are one in the file.
func (f *family) key() string {
	m := f.fileMeta()
	return fmt.Sprintf("%d %d %q %q %q %v %s", m.Type, m.Mode, m.Name, m.Help, m.Unit, m.Bounds, f.tag)
}

func clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "")
}
