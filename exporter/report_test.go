//go:build unix

package exporter

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
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
		d.processes["unknown"] = unknown
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
