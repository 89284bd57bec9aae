//go:build unix

package exporter_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/worker"
)

// thrown takes an answer and keeps nothing.
type thrown struct{ header http.Header }

func (t thrown) Header() http.Header         { return t.header }
func (t thrown) Write(b []byte) (int, error) { return len(b), nil }
func (t thrown) WriteHeader(int)             {}

// Property: a warm scrape allocates a bounded number of times, and no more often for
// ten thousand lines than for a hundred, in text and in OpenMetrics.
func TestWarmScrapeAllocates(t *testing.T) {
	allocated := func(series int, accept string) float64 {
		dir := t.TempDir()
		for range 3 {
			f := worker.With(newStore(t, dir))
			jobs := f.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}, []string{"name"})
			waits := f.NewHistogramVec(prometheus.HistogramOpts{Name: "wait_seconds", Help: "Waits."}, []string{"name"})
			for i := range series {
				jobs.WithLabelValues(strconv.Itoa(i)).Inc()
				waits.WithLabelValues(strconv.Itoa(i)).Observe(1e9)
			}
		}
		d := directory.New(dir, directory.Options{})
		defer d.Close()
		h := exporter.Handler(d)
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		scrape := func() { h.ServeHTTP(thrown{make(http.Header)}, r) }
		scrape()
		return testing.AllocsPerRun(20, scrape)
	}
	for _, accept := range []string{"text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"} {
		few, many := allocated(7, accept), allocated(700, accept)
		// An answer that is written in pieces costs a little for each.
		if many > few+20 || many > 200 {
			t.Errorf("%s: %v allocations with 7 series of each, %v with 700", accept, few, many)
		}
	}
}
