//go:build unix

package exporter_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// quiet is for exporters whose log does not matter.
var quiet = slog.New(slog.DiscardHandler)

func newStore(t *testing.T, dir string) *worker.Store {
	t.Helper()
	s, err := worker.New(dir, worker.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// member is a directory of its own for the test.
func member(t *testing.T, path string, o directory.Options) exporter.Member {
	t.Helper()
	d := directory.New(path, o)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return exporter.Member{Directory: d}
}

func newExporter(t *testing.T, path string) *exporter.Exporter {
	t.Helper()
	return exporter.New(exporter.Options{
		Members: []exporter.Member{member(t, path, directory.Options{})}, Logger: quiet,
	})
}

// get makes a request with headers given as name, value, ...
func get(h http.Handler, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// scrape returns the families of an answer, by name.
func scrape(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	w := get(h, "/metrics", "Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return decode(t, w.Body, expfmt.ResponseFormat(w.Header()))
}

func decode(t *testing.T, r io.Reader, f expfmt.Format) map[string]*dto.MetricFamily {
	t.Helper()
	families := make(map[string]*dto.MetricFamily)
	d := expfmt.NewDecoder(r, f)
	for {
		mf := &dto.MetricFamily{}
		if err := d.Decode(mf); errors.Is(err, io.EOF) {
			return families
		} else if err != nil {
			t.Fatal(err)
		}
		families[mf.GetName()] = mf
	}
}

// value is the only metric of a family with these label values, in the order of
// the label names.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		var values []string
		for _, l := range m.GetLabel() {
			values = append(values, l.GetValue())
		}
		if fmt.Sprint(values) == fmt.Sprint(labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no %s%q", name, labels)
	return 0
}

// A scrape shows the sum over processes, live and dead, in each format that the
// client may prefer, and curl gets text.
func TestNegotiation(t *testing.T) {
	dir := t.TempDir()
	f := worker.With(newStore(t, dir))
	f.NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(3)
	f.NewHistogram(prometheus.HistogramOpts{Name: "wait_seconds", Help: "Waits.", Buckets: []float64{1, 2}}).Observe(1.5)
	e := newExporter(t, dir)
	for _, c := range []struct {
		accept, contentType string
		want                string
	}{
		{"", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "\njobs_total 3\n"},
		{"*/*", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "\nwait_seconds_bucket{le=\"+Inf\"} 1\n"},
		{
			"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.1",
			"application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8", "\n# EOF\n",
		},
		{
			"application/openmetrics-text;version=0.0.1", "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
			"# TYPE jobs counter\njobs_total 3.0\n",
		},
		{
			string(expfmt.NewFormat(expfmt.TypeProtoDelim)),
			"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores", "jobs_total",
		},
	} {
		w := get(e, "/metrics", "Accept", c.accept)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != c.contentType {
			t.Errorf("Accept %q: status %d, type %q, want %q", c.accept, w.Code, got, c.contentType)
		}
		if !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("Accept %q: no %q in\n%s", c.accept, c.want, w.Body)
		}
	}
}

// Sample timestamps are never exposed; creation times only in protobuf.
func TestTimes(t *testing.T) {
	dir := t.TempDir()
	worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Inc()
	worker.With(newStore(t, dir)).WithMode(worker.Latest).NewGauge(prometheus.GaugeOpts{Name: "last", Help: "Last."}).Set(1)
	e := newExporter(t, dir)
	for name, f := range scrape(t, e) {
		for _, m := range f.Metric {
			if m.TimestampMs != nil {
				t.Errorf("%s has a timestamp", name)
			}
		}
		if name == "jobs_total" && f.Metric[0].Counter.CreatedTimestamp == nil {
			t.Error("no created timestamp in protobuf")
		}
	}
	w := get(e, "/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if strings.Contains(w.Body.String(), "_created") {
		t.Errorf("_created lines in OpenMetrics:\n%s", w.Body)
	}
}

func TestNameFilter(t *testing.T) {
	dir := t.TempDir()
	f := worker.With(newStore(t, dir))
	for _, name := range []string{"a_total", "b_total", "c_total"} {
		f.NewCounter(prometheus.CounterOpts{Name: name, Help: "Help."}).Inc()
	}
	w := get(newExporter(t, dir), "/metrics?name[]=a_total&name[]=c_total&name[]=promfold_series&name[]=none")
	families := decode(t, w.Body, expfmt.ResponseFormat(w.Header()))
	if len(families) != 3 || families["a_total"] == nil || families["c_total"] == nil || families["promfold_series"] == nil {
		t.Errorf("got %v", families)
	}
}

func TestCompression(t *testing.T) {
	dir := t.TempDir()
	worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Inc()
	e := newExporter(t, dir)
	for _, c := range []struct {
		accept, encoding string
		open             func(io.Reader) (io.Reader, error)
	}{
		{"", "", func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"br", "", func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"gzip", "gzip", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"zstd;q=1, gzip;q=0.5", "zstd", func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }},
	} {
		w := get(e, "/metrics", "Accept-Encoding", c.accept)
		if got := w.Header().Get("Content-Encoding"); got != c.encoding {
			t.Errorf("Accept-Encoding %q: got %q", c.accept, got)
		}
		r, err := c.open(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r); err != nil || !strings.Contains(string(body), "\njobs_total 1\n") {
			t.Errorf("Accept-Encoding %q: %v:\n%s", c.accept, err, body)
		}
	}
}

// What was counted before a request is in its answer, however many requests
// share a merge, and no merge is made for nobody. (That they share: share_test.go.)
func TestFreshWhenShared(t *testing.T) {
	dir := t.TempDir()
	jobs := worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."})
	e := newExporter(t, dir)
	const clients, rounds = 8, 20
	var counted, answered sync.WaitGroup
	for range clients {
		counted.Add(1)
		answered.Go(func() {
			for i := range rounds {
				jobs.Inc()
				if i == 0 {
					counted.Done()
					counted.Wait() // all begin together
				}
				if got := value(t, scrape(t, e), "jobs_total"); got < float64(i+1) {
					t.Errorf("own increment %d is not in the answer: %v", i+1, got)
				}
			}
		})
	}
	answered.Wait()
	families := scrape(t, e)
	if got := value(t, families, "jobs_total"); got != clients*rounds {
		t.Errorf("jobs_total %v, want %d", got, clients*rounds)
	}
	merges := families["promfold_merge_duration_seconds"].Metric[0].Histogram.GetSampleCount()
	answers := families["promfold_scrape_duration_seconds"].Metric[0].Histogram.GetSampleCount()
	if answers != clients*rounds || merges > answers+1 {
		t.Errorf("%d merges for %d answers", merges, answers)
	}
}

// A directory that is not there yet is empty; one that cannot be read fails the
// scrape, as its counts would be missing from the sums.
func TestMissingAndUnreadable(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "later")
	e := newExporter(t, missing)
	if got := value(t, scrape(t, e), "promfold_directories_missing"); got != 1 {
		t.Errorf("promfold_directories_missing %v", got)
	}
	if err := os.Mkdir(missing, 0o755); err != nil {
		t.Fatal(err)
	}
	worker.With(newStore(t, missing)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Inc()
	if got := value(t, scrape(t, e), "jobs_total"); got != 1 {
		t.Errorf("jobs_total %v", got)
	}

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	e.Add(member(t, file, directory.Options{}))
	w := get(e, "/metrics")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), file) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if _, err := e.Gather(); err == nil {
		t.Error("Gather did not fail")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	families := scrape(t, e)
	if got := value(t, families, "promfold_merge_failures_total"); got != 2 {
		t.Errorf("promfold_merge_failures_total %v", got)
	}
}

// Our own metrics pass promlint, all of their label values are there from the
// start, and they tell what lies in the directory.
func TestOwnMetrics(t *testing.T) {
	dir := t.TempDir()
	worker.With(newStore(t, dir)).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Inc()
	dead := newStore(t, dir)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "worker-1-bad.pfm")
	if err := os.WriteFile(bad, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := member(t, dir, directory.Options{Archiving: true})
	m.Archiver = archiver.New(m.Directory, archiver.Options{Logger: quiet})
	e := exporter.New(exporter.Options{Members: []exporter.Member{m}, ProcessMetrics: true, Logger: quiet})
	families := scrape(t, e)
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"promfold_processes", []string{"live"}, 1},
		{"promfold_processes", []string{"dead"}, 1},
		{"promfold_processes", []string{"unknown"}, 0},
		{"promfold_liveness_files", []string{"none"}, 0},
		{"promfold_directories", nil, 1},
		{"promfold_series", nil, 1},
		{"promfold_families", nil, 1},
		{"promfold_dropped_series", nil, 0},
		{"promfold_family_conflicts", []string{"name"}, 0},
		{"promfold_archive_active", nil, 0},
		{"promfold_archive_absorbed_files_total", nil, 0},
		{"promfold_file_errors", []string{"version"}, 0},
		{"promfold_file_errors", []string{mmapstore.Reason(openError(t, bad))}, 1},
	} {
		if got := value(t, families, c.name, c.labels...); got != c.want {
			t.Errorf("%s%q = %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if families["promfold_go_goroutines"] == nil || families["promfold_promhttp_metric_handler_requests_total"] == nil {
		t.Error("no metrics about the process")
	}
	if err := m.Archiver.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	families = scrape(t, e)
	for name, want := range map[string]float64{
		"promfold_archive_absorbed_files_total": 1, "promfold_archive_commits_total": 1, "promfold_archive_generation": 1,
	} {
		if got := value(t, families, name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"promfold_archive_size_bytes", "promfold_archive_last_commit_timestamp_seconds"} {
		if value(t, families, name) == 0 {
			t.Errorf("%s is 0", name)
		}
	}
	problems, err := promlint.New(get(e, "/metrics").Body).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func openError(t *testing.T, path string) error {
	t.Helper()
	_, err := mmapstore.Open(path)
	if err == nil {
		t.Fatal("a bad file opens")
	}
	return err
}
