package worker

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// nativize finds the family of a collector of ours that is registered again. It
// makes a Vec of client_golang that has no children native, if there is a file:
// the Vec stays the same pointer, and makes our children from now on. It returns
// nil for what is neither, or has features that ours have not, and the registry's
// error for what cannot be registered.
//
// The Vec is changed before it is registered, when nobody else uses it yet;
// meanwhile its desc is kept free in the registry. A Vec that is registered
// already is thereby left alone.
//
// A Vec that was curried before shares its old contents with the curried one,
// which goes on making children of client_golang. They are snapshotted, into a
// family of the same name beside ours.
func (s *Store) nativize(c prometheus.Collector) (*family, error) {
	vec := vecOf(c)
	if _, ours := c.(child); vec == nil && !ours {
		return nil, nil
	}
	err := s.registry.Register(reserved{c})
	if are, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		are.NewCollector = c
		return nil, are
	}
	if err != nil {
		return nil, err
	}
	defer s.registry.Unregister(reserved{c})
	if f := s.retiredFamily(c, vec); f != nil {
		return f, nil
	}
	t, ok := vecType(c)
	if !ok || !s.inState(filed) || hasChildren(vec) {
		return nil, nil
	}
	old := *vec
	f, err := s.familyOfVec(&old, t)
	if err != nil {
		s.note("nativize", "a Vec is snapshotted", "err", err)
		return nil, nil
	}
	*vec = *f.newVec()
	f.vec = vec
	s.upkeep.snapshots.addLeftover(&old, f)
	return f, nil
}

// reserved has the desc of a collector and collects nothing.
type reserved struct{ c prometheus.Collector }

func (r reserved) Describe(ch chan<- *prometheus.Desc) { r.c.Describe(ch) }
func (r reserved) Collect(chan<- prometheus.Metric)    {}

// retiredFamily is the family of a collector of ours that was unregistered, nil
// if it is none. The Vec may be in use: it is only looked at.
func (s *Store) retiredFamily(c prometheus.Collector, vec *prometheus.MetricVec) (f *family) {
	if m, ok := c.(child); ok && m.base().family.vec == nil {
		f = m.base().family
	}
	if vec != nil {
		for m := range collected(vec) {
			if m, ok := m.(child); ok {
				f = m.base().family
			}
		}
		if f == nil {
			f = familyOfEmpty(vec)
		}
	}
	if f == nil || f.store != s {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.retired {
		return nil
	}
	return f
}

// familyOfEmpty is the family of a Vec of ours that has no children, nil of any
// other Vec. The child that it makes to find out has labels that nobody uses,
// and no place in the file while the family is retired.
func familyOfEmpty(vec *prometheus.MetricVec) (f *family) {
	defer func() {
		if recover() != nil { // code of others: label constraints
			f = nil
		}
	}()
	descs := make(chan *prometheus.Desc, 1)
	vec.Describe(descs)
	n, err := countLabels(<-descs)
	if err != nil {
		return nil
	}
	values := slices.Repeat([]string{"\x00promfold"}, n)
	m, err := vec.GetMetricWithLabelValues(values...)
	if err != nil {
		return nil
	}
	c, ours := m.(child)
	if !ours || n > 0 { // ours without labels may be in use by now
		vec.DeleteLabelValues(values...)
	}
	if !ours {
		return nil
	}
	return c.base().family
}

func vecType(c prometheus.Collector) (t mmapstore.Type, ok bool) {
	switch c.(type) {
	case *prometheus.CounterVec:
		return mmapstore.Counter, true
	case *prometheus.GaugeVec:
		return mmapstore.Gauge, true
	case *prometheus.HistogramVec:
		return mmapstore.Histogram, true
	case *prometheus.SummaryVec:
		return mmapstore.Summary, true
	default:
		return 0, false
	}
}

func hasChildren(vec *prometheus.MetricVec) bool {
	n := 0
	for range collected(vec) {
		n++
	}
	return n > 0
}

// familyOfVec makes the family for a Vec. The error says why it cannot be
// native. The Vec is left without children.
func (s *Store) familyOfVec(vec *prometheus.MetricVec, t mmapstore.Type) (f *family, err error) {
	defer func() {
		if r := recover(); r != nil { // code of others: label constraints
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	descs := make(chan *prometheus.Desc, 1)
	vec.Describe(descs)
	desc := <-descs
	sh, meta, err := learn(desc)
	if err != nil {
		return nil, err
	}
	meta.Type = t
	if t == mmapstore.Gauge {
		meta.Mode = s.thirdPartyMode(meta.Name)
	}
	if err := probe(vec, len(sh.variable), &meta); err != nil {
		return nil, err
	}
	f = s.newFamily(desc, sh, meta)
	if l := f.reserved(); l != "" {
		return nil, fmt.Errorf("metric %q has a label %q", meta.Name, l)
	}
	return f, nil
}

// probe makes a child, to see what it is like, and takes it away again. A Vec
// that is curried makes none of so many labels, nor could it stay curried.
func probe(vec *prometheus.MetricVec, labels int, meta *mmapstore.Family) error {
	defer vec.Reset()
	m, err := vec.GetMetricWithLabelValues(make([]string, labels)...)
	if err != nil {
		return err
	}
	if _, ours := m.(child); ours {
		return errors.New("a Vec of another store")
	}
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		return err
	}
	if len(d.GetSummary().GetQuantile()) > 0 {
		return fmt.Errorf("metric %v has objectives", m.Desc())
	}
	if h := d.GetHistogram(); h != nil && h.Schema != nil {
		return fmt.Errorf("metric %v is a native histogram", m.Desc())
	}
	meta.Bounds = finiteBounds(d.GetHistogram())
	return nil
}
