//go:build unix

package exporter_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// A merged family with a sample name of the exporter's own is left out, stays
// out, and counts as a conflict.
func TestCollision(t *testing.T) {
	dir := t.TempDir()
	f := worker.With(newStore(t, dir))
	f.NewCounter(prometheus.CounterOpts{Name: "promfold_merge_duration_seconds_count", Help: "Not ours."}).Add(1e6)
	f.WithMode(worker.Sum).NewGauge(prometheus.GaugeOpts{Name: "promfold_series", Help: "Not ours."}).Set(1e6)
	f.WithMode(worker.Sum).NewGauge(prometheus.GaugeOpts{Name: "promfold_other", Help: "Not ours."}).Set(1e6)
	e := newExporter(t, dir)
	for range 2 {
		families := scrape(t, e)
		if got := value(t, families, "promfold_series"); got != 3 {
			t.Errorf("promfold_series %v, want our own", got)
		}
		if families["promfold_merge_duration_seconds_count"] != nil {
			t.Error("a sample name of our histogram is there twice")
		}
		if got := value(t, families, "promfold_other"); got != 1e6 {
			t.Errorf("promfold_other %v", got)
		}
		if got := value(t, families, "promfold_family_conflicts", "name"); got != 2 {
			t.Errorf("%v conflicts, want 2", got)
		}
	}
}

// Several directories: sums, unless a label tells them apart, and then our own
// metrics about directories have it too.
func TestDirectories(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for i, dir := range []string{a, b} {
		worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(float64(i + 1))
	}
	summed := exporter.New(exporter.Options{Logger: quiet})
	labelled := exporter.New(exporter.Options{Logger: quiet, DirectoryLabel: "dir"})
	for _, dir := range []string{a, b} {
		summed.Add(member(t, dir, directory.Options{}))
		labelled.Add(member(t, dir, directory.Options{Labels: []mmapstore.Label{{Name: "dir", Value: dir}}}))
	}
	families := scrape(t, summed)
	if got := value(t, families, "jobs_total"); got != 3 {
		t.Errorf("sum %v", got)
	}
	if got := value(t, families, "promfold_processes", "live"); got != 2 {
		t.Errorf("%v live processes", got)
	}
	families = scrape(t, labelled)
	for i, dir := range []string{a, b} {
		if got := value(t, families, "jobs_total", dir); got != float64(i+1) {
			t.Errorf("%s: %v", dir, got)
		}
		if got := value(t, families, "promfold_processes", dir, "live"); got != 1 {
			t.Errorf("%s: %v live processes", dir, got)
		}
	}
}

// A directory that is given under two names takes part once: two scans of it are
// of different moments, and what was archived in between would count twice.
func TestOneDirectoryOfTwoNames(t *testing.T) {
	dir := t.TempDir()
	worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(1)
	link := filepath.Join(t.TempDir(), "link")
	missing := filepath.Join(t.TempDir(), "missing")
	e := exporter.New(exporter.Options{Logger: quiet})
	for _, path := range []string{dir, link, missing, missing + "/."} {
		e.Add(member(t, path, directory.Options{}))
	}
	for _, step := range []struct {
		target string
		want   float64 // directories
	}{{dir, 3}, {t.TempDir(), 4}} {
		_ = os.Remove(link)
		if err := os.Symlink(step.target, link); err != nil {
			t.Fatal(err)
		}
		families := scrape(t, e)
		if got := value(t, families, "promfold_directories"); got != step.want {
			t.Errorf("%v directories, want %v", got, step.want)
		}
		if got := value(t, families, "promfold_processes", "live"); got != 1 {
			t.Errorf("%v live processes", got)
		}
	}
}

// Trouble is logged when it begins and when it ends, not at each scrape.
func TestLogOncePerChange(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	e := exporter.New(exporter.Options{
		Members: []exporter.Member{member(t, dir, directory.Options{})},
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
	})
	bad := filepath.Join(dir, "worker-1-bad.pfm")
	if err := os.WriteFile(bad, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		scrape(t, e)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		scrape(t, e)
	}
	for _, want := range []string{"path=" + bad, "Trouble gone"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q is logged %d times:\n%s", want, n, &log)
		}
	}
}

// A handler for an application's own server shows all processes of the
// directory and nothing of the process that serves.
func TestHandler(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Inc()
	}
	families := scrape(t, exporter.Handler(member(t, dir, directory.Options{}).Directory))
	if got := value(t, families, "jobs_total"); got != 2 {
		t.Errorf("jobs_total %v", got)
	}
	if families["go_goroutines"] != nil || families["promfold_go_goroutines"] != nil {
		t.Error("metrics of the serving process")
	}
}

// Metrics of the program are shown with the exporter's own, as they are at the
// scrape, and a merged family of such a name is left out.
func TestCollectors(t *testing.T) {
	dir := t.TempDir()
	reloads := prometheus.NewGauge(prometheus.GaugeOpts{Name: "promfold_reloads", Help: "Reloads."})
	worker.With(newStore(t, dir)).WithMode(worker.Sum).
		NewGauge(prometheus.GaugeOpts{Name: "promfold_reloads", Help: "Not ours."}).Set(1e6)
	e := exporter.New(exporter.Options{
		Members:    []exporter.Member{member(t, dir, directory.Options{})},
		Collectors: []prometheus.Collector{reloads},
		Logger:     quiet,
	})
	for _, want := range []float64{3, 2} {
		reloads.Set(want)
		families := scrape(t, e)
		if got := value(t, families, "promfold_reloads"); got != want {
			t.Errorf("promfold_reloads %v, want our own %v", got, want)
		}
		if got := value(t, families, "promfold_family_conflicts", "name"); got != 1 {
			t.Errorf("%v conflicts, want 1", got)
		}
	}
	if own, err := e.Gather(); err != nil || len(own) != 1 {
		t.Errorf("gathered %v, %v, want the merged family alone", own, err)
	}
}
