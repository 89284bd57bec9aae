//go:build unix

package exporter_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// Property: for whatever format, escaping and names a client asks, the answer is
// the one that promhttp gives of the same families, header and all.
func TestAsPromhttp(t *testing.T) {
	dir := t.TempDir()
	f := worker.With(newStore(t, dir))
	f.NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs.\nOf \\ all."}).Add(1e6)
	f.NewCounterVec(prometheus.CounterOpts{Name: "http.requests", Help: "Dots."}, []string{"http.code", "path"}).
		WithLabelValues("200", "/\"\n\\").Inc()
	h := f.NewHistogramVec(prometheus.HistogramOpts{Name: "wait_seconds", Buckets: []float64{.5, 1, 2.5}}, []string{"a", "b"})
	for i := range 3000 { // more than is written at once
		h.WithLabelValues("x", strconv.Itoa(i)).Observe(float64(i) / 1000)
	}
	e := newExporter(t, dir)
	theirs := promhttp.HandlerFor(e, promhttp.HandlerOpts{EnableOpenMetrics: true})
	for _, accept := range []string{
		"", "*/*", "text/plain", "text/plain;version=0.0.4", "text/plain;version=1.0.0", "text/*;q=0.1",
		"text/plain;escaping=allow-utf-8", "text/plain;version=0.0.4;escaping=dots", "text/plain;escaping=values",
		"text/plain;version=0.0.4;escaping=nonsense", "application/openmetrics-text;version=1.0.0;q=0.1,text/plain;q=0.9",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", "application/json", ";;",
	} {
		for _, query := range []string{
			"?name[]=jobs_total&name[]=http.requests&name[]=wait_seconds", "?name[]=jobs_total&name[]=http_requests", "?name[]=none", "?name[]=",
		} {
			got, want := get(e, "/metrics"+query, "Accept", accept), get(theirs, "/metrics"+query, "Accept", accept)
			if got.Body.String() != want.Body.String() {
				t.Errorf("Accept %q, %s: got\n%.500s\nwant\n%.500s", accept, query, got.Body, want.Body)
			}
			if g, w := got.Header().Get("Content-Type"), want.Header().Get("Content-Type"); g != w {
				t.Errorf("Accept %q: type %q, want %q", accept, g, w)
			}
			if vary := strings.Join(got.Header().Values("Vary"), ", "); !strings.Contains(vary+", ", "Accept, ") || !strings.Contains(vary, "Accept-Encoding") {
				t.Errorf("Accept %q: Vary %q", accept, vary)
			}
		}
	}
}

// largest notes the largest of the pieces in which an answer is written.
type largest struct {
	http.ResponseWriter
	bytes int
}

func (l *largest) Write(b []byte) (int, error) {
	l.bytes = max(l.bytes, len(b))
	return l.ResponseWriter.Write(b)
}

// Property: an answer leaves in pieces, however large a family is: each reader that
// stalls keeps one in memory.
func TestWrittenInPieces(t *testing.T) {
	dir := t.TempDir()
	jobs := worker.With(newStore(t, dir)).NewCounterVec(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}, []string{"name"})
	for i := range 3000 {
		jobs.WithLabelValues(strconv.Itoa(i) + strings.Repeat("x", 1000)).Inc()
	}
	answer := httptest.NewRecorder()
	pieces := &largest{ResponseWriter: answer}
	newExporter(t, dir).ServeHTTP(pieces, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if whole := answer.Body.Len(); whole < 3_000_000 || pieces.bytes > 128<<10 {
		t.Errorf("an answer of %d bytes is written in pieces of up to %d", whole, pieces.bytes)
	}
}

// spelledSource is a dead process with one histogram of a single observation,
// below the least of the bounds, which it writes as given.
type spelledSource struct{ family mmapstore.Family }

func (s spelledSource) Meta() aggregate.Meta {
	return aggregate.Meta{ID: mmapstore.ID{1}, Name: "spelled", Created: 1, State: mmapstore.Dead}
}

func (s spelledSource) Schema() mmapstore.Schema {
	return mmapstore.Schema{
		Families: []mmapstore.Family{s.family}, Series: []mmapstore.Series{{Created: 1}},
		Words: s.family.WordCount(1), SumWords: 1,
	}
}

func (s spelledSource) History() *aggregate.History { return nil }

func (s spelledSource) Load(dst []uint64) error {
	dst[1] = 1
	return nil
}

// spelledDir is a directory with the archive of such a process.
func spelledDir(t *testing.T, name string, bounds ...string) string {
	t.Helper()
	family := mmapstore.Family{Name: name, Help: "Spelled.", Type: mmapstore.Histogram, Spelled: bounds}
	for _, text := range bounds {
		bound, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		family.Bounds = append(family.Bounds, bound)
	}
	src := spelledSource{family}
	a, _, err := aggregate.Fold(aggregate.NewArchive(), []aggregate.Source{src},
		map[mmapstore.ID]bool{src.Meta().ID: true}, aggregate.FoldOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hidden := filepath.Join(dir, directory.HiddenName)
	if err := os.Mkdir(hidden, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hidden, directory.ArchiveName), a.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bounds is the values of the labels le in the buckets of the family h.
func bounds(body string) string {
	var all []string
	for line := range strings.Lines(body) {
		if after, ok := strings.CutPrefix(line, `h_bucket{le="`); ok {
			all = append(all, after[:strings.IndexByte(after, '"')])
		}
	}
	return strings.Join(all, " ")
}

// Over HTTP, an archived bound of 1.0 is 1.0 in each answer of the text format,
// whatever its escaping, and 1.0 in OpenMetrics, where all numbers are written
// so. When another process writes it 1, it is 1.
func TestSpelledBounds(t *testing.T) {
	first, second := spelledDir(t, "h", "0.5", "1.0", "1e3"), spelledDir(t, "h", "1", "2.00")
	e := newExporter(t, first)
	server := httptest.NewServer(e)
	defer server.Close()
	for range 2 {
		for accept, want := range map[string]string{
			"":                                "0.5 1.0 1e3 +Inf",
			"text/plain;escaping=allow-utf-8": "0.5 1.0 1e3 +Inf",
			"text/plain;escaping=dots":        "0.5 1.0 1e3 +Inf",
			"application/openmetrics-text;version=1.0.0": "0.5 1.0 1000.0 +Inf",
			"application/openmetrics-text;version=0.0.1": "0.5 1.0 1000.0 +Inf",
		} {
			if got := bounds(fetchText(t, server.URL, accept)); got != want {
				t.Errorf("Accept %q: bounds %s, want %s", accept, got, want)
			}
		}
	}
	e.Add(member(t, second, directory.Options{}))
	if got, want := bounds(fetchText(t, server.URL, "")), "0.5 1 2.00 1e3 +Inf"; got != want {
		t.Errorf("two sources: bounds %s, want %s", got, want)
	}
}

func fetchText(t *testing.T, url, accept string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept) // and gzip, by the client itself
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !resp.Uncompressed {
		t.Fatalf("%v, was compressed: %v", err, resp.Uncompressed)
	}
	return string(b)
}

// The spelling of a family that was left out, as it has the name of one of ours,
// is not used for ours.
func TestSpelledCollision(t *testing.T) {
	dir := spelledDir(t, "promfold_merge_duration_seconds", "1.0", "2.5", "10.0")
	body := get(newExporter(t, dir), "/metrics").Body.String()
	if !strings.Contains(body, `promfold_merge_duration_seconds_bucket{le="1"}`) || strings.Contains(body, `le="1.0"`) {
		t.Errorf("not our own:\n%s", body)
	}
}

// A client that hangs up in the middle of a text answer counts once among
// promhttp's errors, under its name.
func TestEncodingErrors(t *testing.T) {
	e := exporter.New(exporter.Options{
		Members: []exporter.Member{member(t, t.TempDir(), directory.Options{})}, Logger: quiet, ProcessMetrics: true,
	})
	const name = "promfold_promhttp_metric_handler_errors_total"
	if got := value(t, scrape(t, e), name, "encoding"); got != 0 {
		t.Errorf("%s %v before", name, got)
	}
	e.ServeHTTP(hungUp{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if got := value(t, scrape(t, e), name, "encoding"); got != 1 {
		t.Errorf("%s %v, want 1", name, got)
	}
}

type hungUp struct{ *httptest.ResponseRecorder }

func (hungUp) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
