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

// counter implements prometheus.Counter and ExemplarAdder.
type counter struct {
	cells atomic.Pointer[counterCells] // the fast pointer, see core
	core
}

func newCounter(f *family) *counter {
	c := &counter{}
	c.init(f, c)
	return c
}

func (c *counter) point(cells []mmapstore.Word) { c.cells.Store(pair(cells)) }

// Inc implements prometheus.Counter.
func (c *counter) Inc() {
	if cells := c.cells.Load(); cells != nil {
		cells[0].Add(1)
		return
	}
	c.addSlow(1)
}

// Add implements prometheus.Counter. An amount that is negative, infinite or
// NaN, or would make the total so, is ignored, and counted in Stats.
func (c *counter) Add(v float64) {
	cells := c.cells.Load()
	switch n := uint64(v); {
	case cells == nil:
		c.addSlow(v)
	case n < maxWhole && float64(n) == v: // nothing negative, nor NaN: they differ from any uint64
		cells[0].Add(n)
	case v > 0 && addFinite(&cells[1], v):
	default:
		c.reject()
	}
}

// AddWithExemplar implements prometheus.ExemplarAdder. The exemplar is dropped.
func (c *counter) AddWithExemplar(v float64, _ prometheus.Labels) { c.Add(v) }

// addSlow adds while there is no fast pointer, or while it is being set.
func (c *counter) addSlow(v float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := uint64(v); {
	case n < maxWhole && float64(n) == v:
		c.words[0].Add(n)
	case v > 0 && addFinite(&c.words[1], v):
	default:
		c.reject()
	}
}

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
