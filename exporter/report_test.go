//go:build unix

package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/promfold/promfold/directory"
)

// Unknown liveness is one line with the remedies, the best first, and one more
// when it is over.
func TestReportLiveness(t *testing.T) {
	var log bytes.Buffer
	r := newReporter(slog.New(slog.NewTextHandler(&log, nil)))
	for _, unknown := range []int{0, 2, 3, 2, 0, 0} {
		c := newCensus()
		d := newDirCensus("dir")
		for range unknown {
			d.processes.count("unknown")
		}
		c.dirs = append(c.dirs, d)
		r.update(c, nil)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, &log)
	}
	at := -1
	for _, remedy := range []string{"runAsUser", "shareProcessNamespace", "CAP_LEASE", "mark_process_dead"} {
		i := strings.Index(log.String(), remedy)
		if i <= at {
			t.Errorf("%s is not in its place:\n%s", remedy, &log)
		}
		at = i
	}
}

// A directory full of bad files does not fill the log.
func TestReportIsBounded(t *testing.T) {
	var log bytes.Buffer
	r := newReporter(slog.New(slog.NewTextHandler(&log, nil)))
	c := newCensus()
	d := newDirCensus("dir")
	for i := range 1000 {
		d.problem(directory.Problem{Path: fmt.Sprint(i), Err: errors.New("bad")})
	}
	c.dirs = append(c.dirs, d)
	r.update(c, nil)
	r.update(c, nil)
	if n := strings.Count(log.String(), "\n"); n != maxLines+1 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(log.String(), "left_out=980") {
		t.Errorf("does not tell how many are left out:\n%s", &log)
	}
}

// brokenWriter is a client that hung up.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Clients that give up, before the merge or in the middle of the answer, are
// neither logged nor counted as failures.
func TestClientsThatLeave(t *testing.T) {
	var log bytes.Buffer
	d := directory.New(t.TempDir(), directory.Options{})
	defer d.Close()
	e := New(Options{Members: []Member{{Directory: d}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.merge(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("merged for nobody: %v", err)
	}
	if got := e.own.fixed.failures.Load(); got != 0 {
		t.Errorf("%v failures", got)
	}
	e.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if log.Len() > 0 {
		t.Errorf("logged:\n%s", &log)
	}
}
