package worker

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// StateSet is a set of states, each of them on or off. It is one series per
// state, whose label has the name of the metric. Merged, a state's value is the
// number of live processes in which it is on. Goroutines may share it.
type StateSet struct {
	states []string
	values []*gauge // by state
	vec    *StateSetVec
}

// NewStateSet makes and registers a StateSet, all states off. It panics if the
// metric's name is no name for a label, or a state is there twice.
func (f Factory) NewStateSet(o prometheus.Opts, states []string) *StateSet {
	return f.NewStateSetVec(o, states, nil).WithLabelValues()
}

// Enter puts one state on and all others off. The old state goes off first, so
// that no reader sees two. An unknown state changes nothing, and is counted in
// Stats.
func (s *StateSet) Enter(state string) {
	i := slices.Index(s.states, state)
	if i < 0 {
		s.values[0].reject()
		return
	}
	s.vec.entering.Lock()
	defer s.vec.entering.Unlock()
	for j, v := range s.values {
		if j != i {
			v.Set(0)
		}
	}
	s.values[i].Set(1)
}

// Set puts one state on or off. An unknown state changes nothing, and is counted
// in Stats.
func (s *StateSet) Set(state string, on bool) {
	i := slices.Index(s.states, state)
	switch {
	case i < 0:
		s.values[0].reject()
	case on:
		s.values[i].Set(1)
	default:
		s.values[i].Set(0)
	}
}

// Describe implements prometheus.Collector.
func (s *StateSet) Describe(ch chan<- *prometheus.Desc) { s.vec.Describe(ch) }

// Collect implements prometheus.Collector: the states of this set alone.
func (s *StateSet) Collect(ch chan<- prometheus.Metric) {
	for _, v := range s.values {
		ch <- v
	}
}

// StateSetVec is StateSets that differ in label values. Goroutines may share it.
type StateSetVec struct {
	states []string
	vec    *prometheus.MetricVec // the label for the state comes last

	entering sync.Mutex // two at once could both leave their state on
}

// NewStateSetVec makes and registers a StateSetVec. It panics if there are no
// states, one is there twice, or the metric's name is no name for a label.
func (f Factory) NewStateSetVec(o prometheus.Opts, states, labelNames []string) *StateSetVec {
	states = slices.Clone(states)
	sorted := slices.Sorted(slices.Values(states))
	if len(states) == 0 || len(slices.Compact(sorted)) != len(states) {
		panic("a state set needs states, each of them once")
	}
	name := prometheus.BuildFQName(o.Namespace, o.Subsystem, o.Name)
	fam := f.family(o, mmapstore.StateSet, append(slices.Clone(labelNames), name))
	v := &StateSetVec{states: states, vec: fam.newVec()}
	f.store.mustRegister(v, fam)
	return v
}

// WithLabelValues is the StateSet of the label values, made with all states off
// if it was not there. It panics if their number is not that of the labels.
func (v *StateSetVec) WithLabelValues(lvs ...string) *StateSet {
	s := &StateSet{states: v.states, vec: v}
	for _, state := range v.states {
		m, err := v.vec.GetMetricWithLabelValues(append(slices.Clone(lvs), state)...)
		if err != nil {
			panic(err)
		}
		g := m.(*gauge)
		g.Add(0) // present from now on, whatever its value
		s.values = append(s.values, g)
	}
	return s
}

// DeleteLabelValues deletes the StateSet of the label values and reports whether
// it was there.
func (v *StateSetVec) DeleteLabelValues(lvs ...string) bool {
	deleted := false
	for _, state := range v.states {
		deleted = v.vec.DeleteLabelValues(append(slices.Clone(lvs), state)...) || deleted
	}
	return deleted
}

// Reset deletes all StateSets.
func (v *StateSetVec) Reset() { v.vec.Reset() }

// Describe implements prometheus.Collector.
func (v *StateSetVec) Describe(ch chan<- *prometheus.Desc) { v.vec.Describe(ch) }

// Collect implements prometheus.Collector.
func (v *StateSetVec) Collect(ch chan<- prometheus.Metric) { v.vec.Collect(ch) }
