//go:build linux

package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// loop does something so many times.
type loop func(n int)

func increments[side any](c prometheus.Counter) loop {
	return func(n int) {
		for range n {
			c.Inc()
		}
	}
}

func additions[side any](c interface{ Add(float64) }) loop {
	return func(n int) {
		for range n {
			c.Add(1.5)
		}
	}
}

// observations hit all buckets, one after the other.
func observations[side any](o prometheus.Observer) loop {
	var values [64]float64
	for i := range values {
		values[i] = 0.004 * float64(int(1)<<(i*7%12))
	}
	return func(n int) {
		for i := range n {
			o.Observe(values[i%len(values)])
		}
	}
}

func sets[side any](g prometheus.Gauge) loop {
	return func(n int) {
		for i := range n {
			g.Set(float64(i))
		}
	}
}

// clock reads the time, and keeps the compiler from leaving it out.
func clock(n int) {
	var last time.Time
	for range n {
		last = time.Now()
	}
	if last.IsZero() && n > 0 {
		panic("no time is zero")
	}
}

// What follows are the turns of the rows, as both sides take them.

func inc[side any](m maker) turn        { return alone(increments[side](m.counter())) }
func add[side any](m maker) turn        { return alone(additions[side](m.counter())) }
func observe[side any](m maker) turn    { return alone(observations[side](m.histogram())) }
func set[side any](m maker) turn        { return alone(sets[side](m.gauge())) }
func addToGauge[side any](m maker) turn { return alone(additions[side](m.gauge())) }

func incOfOne[side any](m maker) turn {
	c := m.counter()
	return together(increments[side](c), increments[side](c))
}

func incOfNeighbours[side any](m maker) turn {
	v := m.children()
	return together(increments[side](v.WithLabelValues("a")), increments[side](v.WithLabelValues("b")))
}

func observeOfOne[side any](m maker) turn {
	h := m.histogram()
	return together(observations[side](h), observations[side](h))
}
