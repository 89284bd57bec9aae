package worker_test

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// Metrics are made at package level, before anything is opened.
var (
	requests = worker.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total",
		Help: "Requests served.",
	}, []string{"code"})
	inflight = worker.WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{
		Name: "inflight_requests",
		Help: "Requests being served, over all processes.",
	})
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	os.Setenv("PROMETHEUS_MULTIPROC_DIR", dir) // the application's environment does this

	store, err := worker.Open("")
	if err != nil {
		fmt.Println("metrics stay in memory:", err) // the store works all the same
	}
	defer store.Close()
	store.AddGatherer(prometheus.DefaultGatherer)

	inflight.Inc()
	requests.WithLabelValues("200").Inc()
	inflight.Dec()
	fmt.Println(store.Stats().Series, "series in a file")
	// Output: 2 series in a file
}

// A store of its own, as tests and libraries want it.
func ExampleWith() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	store, err := worker.New(dir)
	if err != nil {
		fmt.Println(err)
	}
	defer store.Close()
	jobs := worker.With(store).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs done."})
	jobs.Inc()
	families, err := store.Gatherer().Gather()
	fmt.Println(families[0].GetName(), families[0].GetMetric()[0].GetCounter().GetValue(), err)
	// Output: jobs_total 1 <nil>
}

// Third-party code registers with the store: its Vecs count in the file.
func ExampleStore_Registerer() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	store, err := worker.New(dir)
	if err != nil {
		fmt.Println(err)
	}
	defer store.Close()
	theirs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "theirs_total"}, []string{"code"})
	store.Registerer().MustRegister(theirs)
	theirs.WithLabelValues("200").Inc()
	fmt.Println(store.Stats().Series, "series in a file")
	// Output: 1 series in a file
}
