package worker

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

type gaugeCells = [2]mmapstore.Word // set mark, then value

// gauge implements prometheus.Gauge.
type gauge struct {
	// cells is the fast pointer, see core. It is nil as well until the first
	// set, which makes the mark, so that no other set need look at it; and in
	// the timed modes always, as a value and its time are set together under mu.
	cells atomic.Pointer[gaugeCells]
	core
}

func newGauge(f *family) *gauge {
	g := &gauge{}
	g.init(f, g)
	return g
}

func (g *gauge) point(words []mmapstore.Word, _ bool) {
	if len(words) == timedWords || words[0].Load() == 0 {
		g.cells.Store(nil)
		return
	}
	g.cells.Store((*gaugeCells)(words))
}

// Set implements prometheus.Gauge.
func (g *gauge) Set(v float64) {
	if cells := g.cells.Load(); cells != nil {
		cells[1].Store(math.Float64bits(v))
		return
	}
	g.setSlow(v)
}

// Add implements prometheus.Gauge.
func (g *gauge) Add(v float64) {
	if cells := g.cells.Load(); cells != nil {
		addFloat(&cells[1], v)
		return
	}
	g.addSlow(v)
}

// Inc implements prometheus.Gauge.
func (g *gauge) Inc() {
	if cells := g.cells.Load(); cells != nil {
		addFloat(&cells[1], 1)
		return
	}
	g.addSlow(1)
}

// Dec implements prometheus.Gauge.
func (g *gauge) Dec() {
	if cells := g.cells.Load(); cells != nil {
		addFloat(&cells[1], -1)
		return
	}
	g.addSlow(-1)
}

// Sub implements prometheus.Gauge.
func (g *gauge) Sub(v float64) { g.Add(-v) }

// SetToCurrentTime implements prometheus.Gauge.
func (g *gauge) SetToCurrentTime() { g.Set(float64(time.Now().UnixNano()) / 1e9) }

// setSlow sets a gauge that is timed, waits, or is not set yet.
func (g *gauge) setSlow(v float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(v)
}

// set is setSlow with mu held.
func (g *gauge) set(v float64) {
	if len(g.words) == timedWords {
		mmapstore.SetLatest(g.words, v, time.Now().UnixNano())
		return
	}
	writeGauge(g.words, v, 0)
	g.point(g.words, false)
}

// addSlow is setSlow of a sum. Under mu the fast pointer may be set meanwhile,
// and others add without mu.
func (g *gauge) addSlow(v float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if cells := g.cells.Load(); cells != nil {
		addFloat(&cells[1], v)
		return
	}
	old, _, _ := readGauge(g.words)
	g.set(old + v)
}

// Collect implements prometheus.Collector.
func (g *gauge) Collect(ch chan<- prometheus.Metric) { ch <- g }

// Write implements prometheus.Metric.
func (g *gauge) Write(out *dto.Metric) error {
	g.mu.Lock()
	v, _, _ := readGauge(g.words)
	g.mu.Unlock()
	out.Label = g.pairs
	out.Gauge = &dto.Gauge{Value: new(v)}
	return nil
}

// readGauge reads a gauge of either layout; value is 0 if it is not set.
func readGauge(words []mmapstore.Word) (value float64, at int64, set bool) {
	if len(words) == timedWords {
		value, at, set = mmapstore.ReadLatest(words)
	} else {
		set = words[0].Load() != 0
		value, at = math.Float64frombits(words[1].Load()), time.Now().UnixNano()
	}
	if !set {
		value = 0
	}
	return value, at, set
}

// writeGauge sets a gauge of either layout.
func writeGauge(words []mmapstore.Word, v float64, at int64) {
	if len(words) == timedWords {
		mmapstore.SetLatest(words, v, at)
		return
	}
	words[1].Store(math.Float64bits(v))
	words[0].Store(1) // last: a reader that sees the mark sees a value
}

// moveGauge brings a gauge to a place that nobody writes yet and that is not set.
func moveGauge(to, from []mmapstore.Word) {
	if v, at, set := readGauge(from); set {
		writeGauge(to, v, at)
	}
}
