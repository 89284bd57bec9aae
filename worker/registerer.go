package worker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// Registerer is the store for code that registers collectors of its own. A Vec
// of client_golang without children becomes native: its children live in the
// file, as if the factory had made it. It must not be in use yet by another
// goroutine. Everything else is snapshotted: see Store.AddGatherer.
//
// Errors are those of prometheus.Registry, AlreadyRegisteredError among them. If
// the store has no directory, collectors are registered in
// prometheus.DefaultRegisterer too. The value is also a prometheus.Gatherer, as
// Store.Gatherer is.
func (s *Store) Registerer() prometheus.Registerer { return registerer{s} }

// Unregister takes a collector out of the store and marks its series deleted. It
// reports whether an equal collector was there. A native metric or Vec counts on
// in the memory of this process, and in the file again from when it is registered
// again: what it counted meanwhile moves in. Do not register it in a registry that
// was given to AddGatherer instead: the file has its counts already, and a
// snapshot cannot know that.
func (s *Store) Unregister(c prometheus.Collector) bool {
	s.registering.Lock()
	defer s.registering.Unlock()
	// A registry tells whether it has the equal of a collector only by giving
	// it up, and which one that is only by refusing another. It also remembers
	// the labels of what it took for a moment: so never ask it to take anything
	// that may be new.
	if !s.known.Unregister(c) {
		return false
	}
	was, _ := errors.AsType[prometheus.AlreadyRegisteredError](s.registry.Register(c))
	s.registry.Unregister(c)
	if f := s.familyOf(was.ExistingCollector); f != nil {
		s.retire(f)
	} else {
		s.others.Unregister(c)
	}
	if s.isAlone() {
		prometheus.DefaultRegisterer.Unregister(c)
	}
	for i, e := range s.early {
		if e == was.ExistingCollector {
			s.early = append(s.early[:i], s.early[i+1:]...)
			break
		}
	}
	return true
}

type registerer struct{ s *Store }

func (r registerer) Register(c prometheus.Collector) error { return r.s.register(c, nil) }

// Gather makes the registerer a prometheus.Gatherer too: middleware that serves
// a /metrics of its own looks whether it is one.
func (r registerer) Gather() ([]*dto.MetricFamily, error) { return r.s.registry.Gather() }

func (r registerer) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		r.s.mustRegister(c, nil)
	}
}

func (r registerer) Unregister(c prometheus.Collector) bool { return r.s.Unregister(c) }

func (s *Store) mustRegister(c prometheus.Collector, f *family) {
	if err := s.register(c, f); err != nil {
		panic(err)
	}
}

// register takes a collector into the store: a native one with its family,
// anything else with nil.
func (s *Store) register(c prometheus.Collector, f *family) error {
	s.registering.Lock()
	defer s.registering.Unlock()
	if f == nil {
		var err error
		if f, err = s.nativize(c); err != nil {
			return err
		}
	}
	if err := s.registry.Register(c); err != nil {
		return err
	}
	switch {
	case s.inState(pending):
		s.early = append(s.early, c)
	case s.isAlone():
		if err := s.showDefault(c); err != nil {
			s.registry.Unregister(c)
			return err
		}
	}
	if err := s.known.Register(c); err != nil {
		return err
	}
	if f == nil {
		return s.others.Register(c)
	}
	if again := s.enter(f); again {
		s.readopt(f, c)
	}
	return nil
}

// enter takes a family into the store. It reports whether the family was there
// before.
func (s *Store) enter(f *family) (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families[f] = struct{}{}
	s.native[f.meta.Name]++
	again, f.retired = f.retired, false
	return again
}

// retire takes a family out of the store.
func (s *Store) retire(f *family) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.retired {
		return
	}
	f.retired = true
	s.upkeep.snapshots.drop(f)
	delete(s.families, f)
	if s.native[f.meta.Name]--; s.native[f.meta.Name] == 0 {
		delete(s.native, f.meta.Name)
	}
	for _, m := range f.children {
		s.park(m.base())
	}
}

// familyOf finds the family of a native collector, nil if it is not native.
func (s *Store) familyOf(c prometheus.Collector) *family {
	if m, ok := c.(child); ok {
		return m.base().family
	}
	vec := vecOf(c)
	if vec == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.families {
		if f.vec == vec {
			return f
		}
	}
	return nil
}

// vecOf is the Vec inside a collector, nil if there is none.
func vecOf(c prometheus.Collector) *prometheus.MetricVec {
	switch v := c.(type) {
	case *prometheus.CounterVec:
		return v.MetricVec
	case *prometheus.GaugeVec:
		return v.MetricVec
	case *prometheus.HistogramVec:
		return v.MetricVec
	case *prometheus.SummaryVec:
		return v.MetricVec
	case *InfoVec:
		return v.MetricVec
	case *StateSetVec:
		return v.vec
	default:
		return nil
	}
}

func (s *Store) isAlone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alone
}

// showDefault registers a collector in prometheus.DefaultRegisterer. A collector
// of many metrics, such as that of the Go runtime, may be there already: then
// its metrics are shown, and that is all that is wanted.
func (s *Store) showDefault(c prometheus.Collector) error {
	err := prometheus.DefaultRegisterer.Register(c)
	_, isMetric := c.(prometheus.Metric)
	if _, there := errors.AsType[prometheus.AlreadyRegisteredError](err); there && !isMetric && vecOf(c) == nil {
		return nil
	}
	return err
}

// setFuncMode notes the mode of a GaugeFunc, which is snapshotted by its name.
func (s *Store) setFuncMode(name string, m Mode) {
	if m == mmapstore.ModeNone {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.funcModes[name] = m
}
