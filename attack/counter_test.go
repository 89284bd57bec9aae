//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

func init() { roles["count"] = countAndAcknowledge }

// What a counting worker does in each batch, in each of its goroutines.
const (
	writers    = 5    // goroutines
	increments = 16   // of each counter
	fraction   = 0.25 // the amount of one fractional increment
	children   = 200  // series that come into being one after the other
	burst      = 20   // batches between two pauses
	serialStep = 1e6  // what a latest gauge shows is serial*serialStep + batch
)

// What the test asks of a worker, and what the worker answers. All other answers
// are the numbers of goroutines, one for each batch that has returned.
const (
	askPause  = 'p'
	askResume = 'r'
	askOnce   = 'o'
	answered  = 0xff
)

// countAndAcknowledge counts in several goroutines until stdin ends. What it says
// of a batch it says after every call of the batch has returned.
func countAndAcknowledge() error {
	dir, serial := os.Args[1], os.Args[2]
	store, err := worker.New(dir, worker.WithIdentity("w"+serial), worker.WithFileMode(0o660))
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(serial)
	if err != nil {
		return err
	}
	c := &counting{metrics: newCountingMetrics(store), serial: number}
	if err := c.run(os.Stdin); err != nil {
		return err
	}
	if s := store.Stats(); s.Dropped > 0 || s.Rejected > 0 {
		return fmt.Errorf("%+v", s)
	}
	return store.Close()
}

// counting is the work of a worker.
type counting struct {
	metrics *countingMetrics
	serial  int
	batches [writers]int // done by each goroutine, guarded as below

	// turn is held shared during a batch, and exclusively while the worker pauses.
	turn sync.RWMutex
	stop atomic.Bool
}

func (c *counting) run(in io.Reader) error {
	var ended sync.WaitGroup
	errs := make([]error, writers)
	for g := range writers {
		ended.Go(func() { errs[g] = c.count(g) })
	}
	err := c.obey(in)
	c.stop.Store(true)
	ended.Wait()
	return errors.Join(append(errs, err)...)
}

// obey does what it is asked until the questions end.
func (c *counting) obey(in io.Reader) error {
	b := make([]byte, 1)
	paused := false
	for {
		if _, err := in.Read(b); err != nil {
			if paused {
				c.turn.Unlock()
			}
			return nil
		}
		switch b[0] {
		case askPause:
			c.turn.Lock()
			paused = true
		case askResume:
			c.turn.Unlock()
			paused = false
		case askOnce:
			if err := c.batch(0); err != nil {
				return err
			}
		}
		if _, err := os.Stdout.Write([]byte{answered}); err != nil {
			return err
		}
	}
}

func (c *counting) count(g int) error {
	for !c.stop.Load() {
		for range burst {
			if err := c.oneBatch(g); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond) // leaves the processor to others
	}
	return nil
}

func (c *counting) oneBatch(g int) error {
	c.turn.RLock()
	defer c.turn.RUnlock()
	if c.stop.Load() {
		return nil
	}
	return c.batch(g)
}

func (c *counting) batch(g int) error {
	c.batches[g]++
	c.metrics.batch(g, c.serial, c.batches[g])
	_, err := os.Stdout.Write([]byte{byte(g)})
	return err
}

// countingMetrics are the families of a counting worker, all with the label g.
type countingMetrics struct {
	whole, fraction, churn *prometheus.CounterVec
	seconds                *prometheus.HistogramVec
	size                   *prometheus.SummaryVec
	gauges                 map[worker.Mode]*prometheus.GaugeVec
}

// gaugeName is the family of a mode.
func gaugeName(m worker.Mode) string { return "attack_gauge_" + m.String() }

var gaugeModes = []worker.Mode{
	worker.All, worker.LiveAll, worker.Latest, worker.LiveLatest, worker.Max, worker.LiveMax,
	worker.Min, worker.LiveMin, worker.Sum, worker.LiveSum,
}

func newCountingMetrics(store *worker.Store) *countingMetrics {
	f := worker.With(store)
	label := []string{"g"}
	m := &countingMetrics{
		whole:    f.NewCounterVec(prometheus.CounterOpts{Name: "attack_whole_total", Help: "Whole amounts."}, label),
		fraction: f.NewCounterVec(prometheus.CounterOpts{Name: "attack_fraction_total", Help: "Fractions."}, label),
		churn:    f.NewCounterVec(prometheus.CounterOpts{Name: "attack_churn_total", Help: "Series after series."}, []string{"child"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "attack_seconds", Help: "Half a second and one and a half.", Buckets: []float64{1, 2},
		}, label),
		size:   f.NewSummaryVec(prometheus.SummaryOpts{Name: "attack_size", Help: "Two bytes."}, label),
		gauges: make(map[worker.Mode]*prometheus.GaugeVec),
	}
	for _, mode := range gaugeModes {
		m.gauges[mode] = f.WithMode(mode).NewGaugeVec(prometheus.GaugeOpts{Name: gaugeName(mode), Help: "A gauge."}, label)
	}
	return m
}

// batch is the nth of a goroutine.
func (m *countingMetrics) batch(g, serial, n int) {
	label := strconv.Itoa(g)
	for mode, gauge := range m.gauges {
		gauge.WithLabelValues(label).Set(gaugeValue(mode, serial, n))
	}
	if g == 0 {
		m.churn.WithLabelValues(strconv.Itoa(n % children)).Inc()
	}
	for i := range increments {
		m.whole.WithLabelValues(label).Inc()
		m.fraction.WithLabelValues(label).Add(fraction)
		m.seconds.WithLabelValues(label).Observe(0.5 + float64(i%2))
		m.size.WithLabelValues(label).Observe(2)
	}
}

// gaugeValue is what a worker sets a gauge to in its nth batch.
func gaugeValue(mode worker.Mode, serial, n int) float64 {
	switch mode {
	case worker.Min, worker.LiveMin:
		return -float64(n)
	case worker.Latest, worker.LiveLatest:
		return float64(serial)*serialStep + float64(n)
	default:
		return float64(n)
	}
}

// perBatch is by how much a batch of goroutine g moves its cumulative series.
func perBatch(g int) map[string]float64 {
	with := func(name, extra string) string { return fmt.Sprintf(`%s{g="%d"%s}`, name, g, extra) }
	return map[string]float64{
		with("attack_whole_total", ""):              increments,
		with("attack_fraction_total", ""):           increments * fraction,
		with("attack_seconds_sum", ""):              increments,
		with("attack_seconds_count", ""):            increments,
		with("attack_seconds_bucket", `,le="1"`):    increments / 2,
		with("attack_seconds_bucket", `,le="2"`):    increments,
		with("attack_seconds_bucket", `,le="+Inf"`): increments,
		with("attack_size_sum", ""):                 2 * increments,
		with("attack_size_count", ""):               increments,
	}
}
