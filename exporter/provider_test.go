//go:build unix

package exporter_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// provider is one whose answer the test gives.
type provider func(context.Context) ([]aggregate.Source, error)

func (p provider) Sources(ctx context.Context) ([]aggregate.Source, error) { return p(ctx) }

// elsewhere is a source of another host, which has counted n jobs, of which n were the most
// at once.
func elsewhere(t *testing.T, n float64) aggregate.Source {
	t.Helper()
	dir := t.TempDir()
	counted(t, dir, n)
	v, err := member(t, dir, directory.Options{}).Directory.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	record, _ := aggregate.NewRecorder(nil).Record(v.Sources())
	return record.As(aggregate.Meta{ID: mmapstore.NewID(), Name: "elsewhere", State: mmapstore.Alive, Delayed: true})
}

func counted(t *testing.T, dir string, n float64) {
	t.Helper()
	f := worker.With(newStore(t, dir))
	f.NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(n)
	f.WithMode(worker.Max).NewGauge(prometheus.GaugeOpts{Name: "most", Help: "At once."}).Set(n)
}

func always(sources ...aggregate.Source) provider {
	return func(context.Context) ([]aggregate.Source, error) { return sources, nil }
}

// Property: what providers give is merged with the directories by the laws of a merge, beside
// a file of a directory that cannot be read; what a caller does with his options after New has no effect.
func TestProviders(t *testing.T) {
	dir := t.TempDir()
	counted(t, dir, 1)
	if err := os.WriteFile(filepath.Join(dir, "worker-1-bad.pfm"), []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := exporter.Options{
		Members: []exporter.Member{member(t, dir, directory.Options{})}, Logger: quiet,
		Providers: []exporter.Provider{always(elsewhere(t, 2), elsewhere(t, 4)), always(), always(elsewhere(t, 8))},
	}
	both, others := exporter.New(o), exporter.New(exporter.Options{Logger: quiet, Providers: o.Providers})
	o.Providers[0] = always()
	for range 2 {
		families := scrape(t, both)
		if jobs, most := value(t, families, "jobs_total"), value(t, families, "most"); jobs != 15 || most != 8 {
			t.Errorf("%v jobs, %v at once", jobs, most)
		}
		if n := value(t, families, "promfold_processes", "live"); n != 1 {
			t.Errorf("%v processes of directories", n)
		}
	}
	if jobs := value(t, scrape(t, others), "jobs_total"); jobs != 14 {
		t.Errorf("%v jobs of nobody but providers", jobs)
	}
}

// Property: a provider that fails fails the scrape, and says why: without it all counters
// would have gone down. Afterwards all is as before.
func TestProviderFails(t *testing.T) {
	dir := t.TempDir()
	counted(t, dir, 1)
	var away atomic.Bool
	there := elsewhere(t, 2)
	e := exporter.New(exporter.Options{
		Members: []exporter.Member{member(t, dir, directory.Options{})}, Logger: quiet,
		Providers: []exporter.Provider{always(elsewhere(t, 4)), provider(func(context.Context) ([]aggregate.Source, error) {
			if away.Load() {
				return nil, errors.New("out of reach")
			}
			return []aggregate.Source{there}, nil
		})},
	})
	for _, failing := range []bool{false, true, true, false} {
		away.Store(failing)
		w := get(e, "/metrics")
		if failing != (w.Code == http.StatusServiceUnavailable) || failing != strings.Contains(w.Body.String(), "out of reach") ||
			failing == strings.Contains(w.Body.String(), "\njobs_total 7\n") {
			t.Errorf("failing: %v; status %d: %s", failing, w.Code, w.Body)
		}
		if _, err := e.Gather(); failing != (err != nil) {
			t.Errorf("failing: %v; gathered with error %v", failing, err)
		}
	}
	if n := value(t, scrape(t, e), "promfold_merge_failures_total"); n != 4 {
		t.Errorf("%v failures", n)
	}
}

// flaky is a source whose values cannot always be read.
type flaky struct {
	aggregate.Source
	unreadable *atomic.Bool
}

func (f flaky) Load(words []uint64) error {
	if f.unreadable.Load() {
		return errors.New("unreadable")
	}
	return f.Source.Load(words)
}

// Property: a provider's source that cannot be read fails the scrape, whether or not it could
// be before, and ends nothing else.
func TestProviderSourceUnread(t *testing.T) {
	for name, readable := range map[string]bool{"never": false, "not any more": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			counted(t, dir, 1)
			var unreadable atomic.Bool
			e := exporter.New(exporter.Options{
				Members: []exporter.Member{member(t, dir, directory.Options{})}, Logger: quiet,
				Providers: []exporter.Provider{always(elsewhere(t, 2), flaky{elsewhere(t, 4), &unreadable})},
			})
			if readable && value(t, scrape(t, e), "jobs_total") != 7 {
				t.Error("not all is shown")
			}
			unreadable.Store(true)
			for range 2 {
				if w := get(e, "/metrics"); w.Code != http.StatusServiceUnavailable {
					t.Errorf("status %d: %s", w.Code, w.Body)
				}
			}
			unreadable.Store(false)
			if got := value(t, scrape(t, e), "jobs_total"); got != 7 {
				t.Errorf("%v jobs once all can be read", got)
			}
		})
	}
}

// Property: all providers have been asked before any has answered, so that a scrape waits for
// the slowest and not for all of them in turn.
func TestProvidersAreAskedSideBySide(t *testing.T) {
	const n = 4
	var asked atomic.Int32
	all := make(chan struct{})
	waits := provider(func(ctx context.Context) ([]aggregate.Source, error) {
		if asked.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(30 * time.Second):
			return nil, errors.New("the others are not asked")
		}
	})
	e := exporter.New(exporter.Options{Logger: quiet, Providers: []exporter.Provider{waits, waits, waits, waits}})
	if w := get(e, "/metrics"); w.Code != http.StatusOK {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
