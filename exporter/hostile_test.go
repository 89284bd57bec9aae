//go:build unix

package exporter_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/worker"
)

// Beside whatever lies in the directory there are a worker that lives and one that
// has died, whose counts must be exposed as they are.

// goodLines is what a scrape has of the good workers.
var goodLines = []string{
	"good_total 7", "good_live 3", `good_seconds_bucket{le="1"} 1`, `good_seconds_bucket{le="+Inf"} 2`, "good_seconds_count 2",
}

// goodWorkers puts them into the directory.
func goodWorkers(t *testing.T, dir string) {
	t.Helper()
	live, dead := newStore(t, dir), newStore(t, dir)
	for n, s := range map[float64]*worker.Store{3: live, 4: dead} {
		f := worker.With(s)
		f.NewCounter(prometheus.CounterOpts{Name: "good_total", Help: "Good."}).Add(n)
		f.WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{Name: "good_live", Help: "Good."}).Set(n)
		f.NewHistogram(prometheus.HistogramOpts{Name: "good_seconds", Help: "Good.", Buckets: []float64{1}}).Observe(2 * (n - 3))
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
}

// patience is how long an answer may take on a busy machine, if nothing waits for
// ever.
const patience = time.Minute

// within fails the test if f does not end.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not end", what)
	}
}

// wantGood scrapes, and fails unless the answer is valid and has the good workers.
func wantGood(t *testing.T, h http.Handler) {
	t.Helper()
	within(t, "a scrape", func() {
		w := get(h, "/metrics")
		body := w.Body.String()
		if err := fixture.Valid([]byte(body)); w.Code != http.StatusOK || err != nil {
			t.Errorf("status %d, %v: %.2000s", w.Code, err, merged([]byte(body)))
		}
		for _, line := range goodLines {
			if !strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("no line %q in\n%.4000s", line, merged([]byte(body)))
			}
		}
	})
}

// wantErrors fails unless the exporter counts so many problems of the kind, and no
// others.
func wantErrors(t *testing.T, e http.Handler, reason string, n float64) {
	t.Helper()
	for _, m := range scrape(t, e)["promfold_file_errors"].GetMetric() {
		want := 0.0
		if m.GetLabel()[0].GetValue() == reason {
			want = n
		}
		if got := m.GetGauge().GetValue() + m.GetCounter().GetValue(); got != want {
			t.Errorf("%v problems of kind %q, want %v", got, m.GetLabel()[0].GetValue(), want)
		}
	}
}

// kinds put something that is no regular file at a path.
var kinds = map[string]func(path, good string) error{
	"symlink":        func(path, good string) error { return os.Symlink(good, path) },
	"symlink to dev": func(path, _ string) error { return os.Symlink("/dev/zero", path) },
	"dangling":       func(path, _ string) error { return os.Symlink("nowhere", path) },
	"loop":           func(path, _ string) error { return os.Symlink(filepath.Base(path), path) },
	"fifo":           func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
	"directory":      func(path, _ string) error { return os.Mkdir(path, 0o777) },
	"socket":         func(path, _ string) error { return socketAt(path) },
	"device":         func(path, _ string) error { return mknodZero(path) },
}

// socketAt makes a socket at a path that may be longer than an address.
func socketAt(path string) error {
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	defer os.RemoveAll(short)
	l, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		return err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return errors.Join(l.Close(), os.Rename(filepath.Join(short, "s"), path))
}

// asideName is how an archiver calls what it has set aside.
const asideName = "dead-00112233445566778899aabbccddeeff-counter_5000001.db"

// Property: what is no regular file, under any name that means something to us,
// makes neither a scrape nor an archiver wait, costs the good workers nothing, and
// is counted.
func TestHostileKinds(t *testing.T) {
	for name, problems := range map[string]float64{
		"worker-1-0011223344556677.pfm":        1,
		".worker-1-0011223344556677.tmp":       0,
		"counter_5000001.db":                   1,
		"gauge_liveall_5000001.db":             1,
		"metric_x___5000001.bin":               1,
		".promfold":                            2, // no archive, and no place for files set aside
		"lockfile":                             0,
		"." + asideName:                        1,
		".promfold/" + asideName:               1,
		".promfold/" + directory.ArchiveName:   1,
		".promfold/" + directory.SpareName:     0,
		".promfold/damaged-archive.pfa":        0,
		".promfold/damaged-counter_5000001.db": 0,
	} {
		for kind, put := range kinds {
			if name == directory.HiddenName && kind == "directory" {
				continue // that is what it should be
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				dir := t.TempDir()
				goodWorkers(t, dir)
				good, err := filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
				if err != nil || len(good) == 0 {
					t.Fatal(good, err)
				}
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := put(path, good[0]); errors.Is(err, unix.EPERM) {
					t.Skip(err)
				} else if err != nil {
					t.Fatal(err)
				}
				e := newExporter(t, dir)
				wantGood(t, e)
				wantErrors(t, e, "notregular", problems)
				archiveOnce(t, dir)
				wantGood(t, e)
				wantGood(t, newExporter(t, dir))
			})
		}
	}
}

// archiveOnce lets an archiver do a round, which may fail but must end.
func archiveOnce(t *testing.T, dir string) {
	t.Helper()
	within(t, "a round of the archiver", func() {
		d := directory.New(dir, directory.Options{Archiving: true})
		defer d.Close()
		if err := archiver.New(d, archiver.Options{Logger: quiet, Interval: time.Millisecond}).Once(t.Context()); err != nil {
			t.Log(err)
		}
	})
}
