package worker

import (
	"math"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// maxWhole is the first whole amount that goes to the float cell: from here on
// not every whole number is a float64, and the integer cell is kept far from
// its end.
const maxWhole = 1 << 53

type counterCells = [2]mmapstore.Word // whole amounts, then all others as float64

// counter implements prometheus.Counter and ExemplarAdder. Inc and Add call no
// function that is not inlined: see waiting.go.
type counter struct {
	cells atomic.Pointer[counterCells] // the fast pointer, see core
	// waiting is where to count while the fast pointer is nil. It is set before
	// that is, and cleared after: who finds both nil looks again.
	waiting atomic.Pointer[counterCells]
	core
}

func newCounter(f *family) *counter {
	c := &counter{}
	c.init(f, c)
	return c
}

func (c *counter) point(words []mmapstore.Word, waits bool) {
	if waits {
		c.waiting.Store((*counterCells)(words))
		c.cells.Store(nil)
		return
	}
	c.cells.Store((*counterCells)(words))
	c.waiting.Store(nil)
}

// Inc implements prometheus.Counter.
func (c *counter) Inc() {
	if cells := c.cells.Load(); cells != nil {
		cells[0].Add(1)
		return
	}
	for {
		if cells := c.waiting.Load(); cells != nil && addWaiting(&cells[0], 1) {
			return
		}
		if cells := c.cells.Load(); cells != nil {
			cells[0].Add(1)
			return
		}
	}
}

// Add implements prometheus.Counter. An amount that is negative, infinite or
// NaN, or would make the total so, is ignored, and counted in Stats.
func (c *counter) Add(v float64) {
	n := int64(v)
	for {
		if cells := c.cells.Load(); cells != nil {
			if isWhole(n, v) {
				cells[0].Add(uint64(n))
			} else if !(v > 0 && addFinite(&cells[1], v)) {
				c.reject()
			}
			return
		}
		cells := c.waiting.Load()
		switch {
		case cells == nil:
		case isWhole(n, v):
			if addWaiting(&cells[0], uint64(n)) {
				return
			}
		case v > 0 && addFinite(&cells[1], v):
			return
		case cells[1].Load() != sealed:
			c.reject()
			return
		}
	}
}

// isWhole reports whether v goes to the integer cell, as n, its whole part. What
// the conversion makes of a v that has none is not below maxWhole, or not v.
func isWhole(n int64, v float64) bool { return uint64(n) < maxWhole && float64(n) == v }

// AddWithExemplar implements prometheus.ExemplarAdder. The exemplar is dropped.
func (c *counter) AddWithExemplar(v float64, _ prometheus.Labels) { c.Add(v) }

// Collect implements prometheus.Collector.
func (c *counter) Collect(ch chan<- prometheus.Metric) { ch <- c }

// Write implements prometheus.Metric: what this process counted.
func (c *counter) Write(out *dto.Metric) error {
	own := c.ownLocked()
	out.Label = c.pairs
	out.Counter = &dto.Counter{
		Value:            new(float64(own[0]) + math.Float64frombits(own[1])),
		CreatedTimestamp: c.createdTimestamp(),
	}
	return nil
}
