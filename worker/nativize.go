package worker

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// nativize makes a Vec of client_golang that has no children native: the Vec
// stays the same pointer, and makes our children from now on. It returns nil for
// what is not such a Vec, or has features that ours have not, and the registry's
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
	t, vec := vecType(c)
	if vec == nil {
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
	if hasChildren(vec) {
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

func vecType(c prometheus.Collector) (mmapstore.Type, *prometheus.MetricVec) {
	switch v := c.(type) {
	case *prometheus.CounterVec:
		return mmapstore.Counter, v.MetricVec
	case *prometheus.GaugeVec:
		return mmapstore.Gauge, v.MetricVec
	case *prometheus.HistogramVec:
		return mmapstore.Histogram, v.MetricVec
	case *prometheus.SummaryVec:
		return mmapstore.Summary, v.MetricVec
	default:
		return 0, nil
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
	f = s.newFamily(desc, sh, meta)
	if l := f.reserved(); l != "" {
		return nil, fmt.Errorf("metric %q has a label %q", meta.Name, l)
	}
	if t == mmapstore.Histogram || t == mmapstore.Summary {
		f.meta.Bounds, err = probeBounds(vec, len(sh.variable))
	}
	return f, err
}

// probeBounds makes a child, to see what it is like, and takes it away again.
func probeBounds(vec *prometheus.MetricVec, labels int) ([]float64, error) {
	defer vec.Reset()
	child, err := vec.GetMetricWithLabelValues(make([]string, labels)...)
	if err != nil {
		return nil, err
	}
	var d dto.Metric
	if err := child.Write(&d); err != nil {
		return nil, err
	}
	if len(d.GetSummary().GetQuantile()) > 0 {
		return nil, fmt.Errorf("metric %v has objectives", child.Desc())
	}
	if h := d.GetHistogram(); h != nil && h.Schema != nil {
		return nil, fmt.Errorf("metric %v is a native histogram", child.Desc())
	}
	return finiteBounds(d.GetHistogram()), nil
}
