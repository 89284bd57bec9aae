//go:build unix

package main

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// What the workers of the demo count. For each batch a goroutine counts that
// many requests, observes one duration, and then acknowledges: the names are
// what the ledger looks for.
const (
	demoRequests = "demo_requests_total"
	demoDuration = "demo_request_duration_seconds"
)

// demoWorker is one worker process of the demo. It counts until its stdin ends,
// which is also when its parent dies.
type demoWorker struct {
	dir        string
	goroutines int
	batch      int

	stop     atomic.Bool
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	busy     prometheus.Gauge
	peak     prometheus.Gauge
}

func addDemoWorker(app *kingpin.Application) runner {
	w := &demoWorker{}
	cmd := app.Command("demo-worker", "One worker process of the demo, which starts it.").Hidden()
	cmd.Flag("dir", "The multiprocess directory.").Required().StringVar(&w.dir)
	cmd.Flag("goroutines", "How many count.").Default("2").IntVar(&w.goroutines)
	cmd.Flag("batch", "How many increments are acknowledged at once.").Default("1").IntVar(&w.batch)
	return w.run
}

func (w *demoWorker) run(log *slog.Logger) error {
	signal.Ignore(syscall.SIGINT) // Ctrl-C is for the parent, who stops us
	store, err := worker.Open(w.dir, worker.WithLogger(log))
	if err != nil {
		return err
	}
	w.makeMetrics(store)
	var counting sync.WaitGroup
	errs := make([]error, w.goroutines)
	for i := range errs {
		counting.Go(func() { errs[i] = w.count() })
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	w.stop.Store(true)
	counting.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
	}
	if s := store.Stats(); s.Dropped > 0 {
		return fmt.Errorf("%d series found no room in the file", s.Dropped)
	}
	return store.Close()
}

func (w *demoWorker) makeMetrics(store *worker.Store) {
	f := worker.With(store)
	w.requests = f.NewCounterVec(prometheus.CounterOpts{
		Name: demoRequests, Help: "Requests served by all workers, living and dead.",
	}, []string{"code"})
	w.duration = f.NewHistogram(prometheus.HistogramOpts{
		Name: demoDuration, Help: "Time to serve a request.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
	})
	w.busy = f.WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{
		Name: "demo_busy_goroutines", Help: "Goroutines at work in all living workers.",
	})
	w.peak = f.WithMode(worker.Max).NewGauge(prometheus.GaugeOpts{
		Name: "demo_longest_burst", Help: "Most requests in a row that any worker has served.",
	})
	f.WithMode(worker.LiveAll).NewGauge(prometheus.GaugeOpts{
		Name: "demo_worker_start_time_seconds", Help: "Start of each living worker since the Unix epoch.",
	}).SetToCurrentTime()
}

// count serves requests in bursts, with pauses in between, until it is told to
// stop. A batch that was begun is acknowledged.
func (w *demoWorker) count() error {
	longest := 0
	for !w.stop.Load() {
		w.busy.Inc()
		burst := 1 + rand.IntN(500)
		for range burst {
			if err := w.countBatch(); err != nil {
				return err
			}
		}
		if burst > longest {
			longest = burst
			w.peak.Set(float64(longest))
		}
		w.busy.Dec()
		time.Sleep(rand.N(time.Millisecond))
	}
	return nil
}

var demoCodes = []string{"200", "200", "200", "404", "500"}

func (w *demoWorker) countBatch() error {
	for range w.batch {
		w.requests.WithLabelValues(demoCodes[rand.IntN(len(demoCodes))]).Inc()
	}
	w.duration.Observe(rand.ExpFloat64() / 20)
	_, err := os.Stdout.Write(acknowledgement) // only now is it counted
	return err
}

// acknowledgement is one batch.
var acknowledgement = []byte{'.'}
