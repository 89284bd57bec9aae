//go:build linux

package main

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// nativeSet is promfold's own files of many processes, all of them this one: a
// store's lock is held by its open file, so that each counts as living.
type nativeSet struct{ stores []*worker.Store }

// makeNative fills stores in dir with what the model's processes have counted.
func makeNative(dir string, m *model, processes int) (*nativeSet, error) {
	s := &nativeSet{}
	for p := range processes {
		store, err := worker.New(dir, worker.WithIdentity(pidOf(p)))
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.stores = append(s.stores, store)
		m.count(store, p)
	}
	return s, nil
}

// Close ends the processes.
func (s *nativeSet) Close() error {
	var errs []error
	for _, store := range s.stores {
		errs = append(errs, store.Close())
	}
	return errors.Join(errs...)
}

// count does in a store what the model says that a process has done.
func (m *model) count(store *worker.Store, process int) {
	n, at := 0, moment{process: process}
	for i := range m.families {
		f := &m.families[i]
		set := f.maker(store)
		for _, values := range f.children {
			set(at, n, values)
			n++
		}
	}
}

// maker registers the family, and returns what gives a child its value.
func (f *family) maker(store *worker.Store) func(at moment, child int, values []string) {
	switch f.kind {
	case "counter":
		v := worker.With(store).NewCounterVec(prometheus.CounterOpts{Name: f.name + "_total", Help: f.help}, f.labels)
		return func(at moment, child int, values []string) { v.WithLabelValues(values...).Add(f.scalar(at, child)) }
	case "histogram":
		v := worker.With(store).NewHistogramVec(prometheus.HistogramOpts{Name: f.name, Help: f.help, Buckets: f.bounds}, f.labels)
		return func(at moment, child int, values []string) {
			h := v.WithLabelValues(values...)
			for k := range len(f.bounds) + 1 {
				for range f.bucket(at, child, k) {
					h.Observe(f.observation(k))
				}
			}
		}
	default:
		mode := worker.All
		if f.mode == "livesum" {
			mode = worker.LiveSum
		}
		v := worker.With(store).WithMode(mode).NewGaugeVec(prometheus.GaugeOpts{Name: f.name, Help: f.help}, f.labels)
		return func(at moment, child int, values []string) { v.WithLabelValues(values...).Set(f.scalar(at, child)) }
	}
}
