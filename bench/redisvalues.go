//go:build linux

package main

import (
	"math"
	"math/rand/v2"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// erratic registers the model's families, and returns what counts so much in all of
// them that no value stays what it was. Unlike the model's own values these are as hard to
// compress as those of an application: counts of any size, and sums with all digits
// of a float64.
func (m *model) erratic(store *worker.Store, process int) func() {
	random := rand.New(rand.NewPCG(1, uint64(process))) //nolint:gosec // G404: the same each time
	var all []func()
	for i := range m.families {
		f := &m.families[i]
		child := f.erratic(store, random)
		for _, values := range f.children {
			all = append(all, child(values))
		}
	}
	return func() {
		for _, one := range all {
			one()
		}
	}
}

// erratic is what makes a child count.
func (f *family) erratic(store *worker.Store, random *rand.Rand) func(values []string) func() {
	switch f.kind {
	case "counter":
		v := worker.With(store).NewCounterVec(prometheus.CounterOpts{Name: f.name + "_total", Help: f.help}, f.labels)
		return func(values []string) func() {
			c := v.WithLabelValues(values...)
			size := math.Exp(12 * random.Float64())
			return func() { c.Add(1 + math.Floor(size*random.Float64())) }
		}
	case "histogram":
		v := worker.With(store).NewHistogramVec(prometheus.HistogramOpts{Name: f.name, Help: f.help, Buckets: f.bounds}, f.labels)
		return func(values []string) func() {
			h := v.WithLabelValues(values...)
			middle := f.bounds[random.IntN(len(f.bounds))]
			return func() {
				for range 1 + random.IntN(200) {
					h.Observe(middle * math.Exp(random.NormFloat64()))
				}
			}
		}
	default:
		mode := worker.All
		if f.mode == "livesum" {
			mode = worker.LiveSum
		}
		v := worker.With(store).WithMode(mode).NewGaugeVec(prometheus.GaugeOpts{Name: f.name, Help: f.help}, f.labels)
		return func(values []string) func() {
			g := v.WithLabelValues(values...)
			return func() { g.Set(float64(random.IntN(100))) }
		}
	}
}
