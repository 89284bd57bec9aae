//go:build unix

package exporter

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// ahead collects the metrics of other collectors while a merge is under way: what they
// read of the system takes as long as a good part of the merge. One merge runs at a
// time, and so does everything here.
type ahead struct {
	of      []prometheus.Collector
	metrics []prometheus.Metric
	begun   bool
	done    sync.WaitGroup
}

// begin begins to collect for the next Collect.
func (a *ahead) begin() {
	a.begun, a.metrics = true, a.metrics[:0]
	a.done.Go(a.collect)
}

// end waits, whether or not anybody has asked for the metrics.
func (a *ahead) end() {
	a.done.Wait()
	a.begun = false
}

func (a *ahead) collect() {
	ch := make(chan prometheus.Metric)
	go func() {
		defer close(ch)
		for _, c := range a.of {
			c.Collect(ch)
		}
	}()
	for m := range ch {
		a.metrics = append(a.metrics, m)
	}
}

// Describe implements prometheus.Collector.
func (a *ahead) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range a.of {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector with what there was since begin.
func (a *ahead) Collect(ch chan<- prometheus.Metric) {
	if !a.begun { // to learn the names
		a.begin()
		defer a.end()
	}
	a.done.Wait()
	for _, m := range a.metrics {
		ch <- m
	}
}
