//go:build unix

package exporter_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/stocktest"
)

// Property: names of any bytes are as good as others.
func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	goodWorkers(t, dir)
	long := "counter_" + strings.Repeat("9", 255-len("counter_.db")) + ".db"
	for _, name := range []string{
		"counter_\n# TYPE x y\n.db", "counter_\".db", "counter_ .db", "counter_\xff.db", long, "counter_-.db", "counter_\x00.db", "counter_....db",
	} {
		f, err := stocktest.Open(filepath.Join(dir, name))
		if err != nil {
			if strings.Contains(name, "\x00") {
				continue // which no file system takes
			}
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Add(stocktest.CounterKey, 1); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"gauge_all_\xff.db", "gauge_all_\n.db", "gauge_all_\".db"} {
		f, err := stocktest.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Set(stocktest.Key("g", "g", "Help."), float64(i+1), 0); err != nil {
			t.Fatal(err)
		}
	}
	e := newExporter(t, dir)
	wantGood(t, e)
	wantErrors(t, e, "", 0)
	families := scrape(t, e)
	if got := value(t, families, "c_total"); got != 7 {
		t.Errorf("c_total %v, want 7", got)
	}
	pids := make(map[string]bool)
	for _, m := range families["g"].GetMetric() {
		pids[m.GetLabel()[0].GetValue()] = true
	}
	if len(pids) != 3 {
		t.Errorf("gauges of three processes have the pids %q", slices.Collect(maps.Keys(pids)))
	}
}

// Property: of files with one id one counts, that of the process, which is alive
// or dead; the others are named. Files of one identity count each, and are told
// apart.
func TestDuplicates(t *testing.T) {
	dir := t.TempDir()
	goodWorkers(t, dir)
	good, err := filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
	if err != nil || len(good) != 2 {
		t.Fatal(good, err)
	}
	followed := newExporter(t, dir)
	wantGood(t, followed)
	for i, path := range good {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"worker-0-0011223344556677.pfm", "worker-99999-ffeeddccbbaa9988.pfm"} {
			if err := os.WriteFile(filepath.Join(dir, strings.Replace(name, "-", "-"+string(rune('1'+i)), 1)), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		wantGood(t, followed)
		wantErrors(t, followed, "malformed", 4)
	}
	wantGood(t, newExporter(t, dir))
	archiveOnce(t, dir)
	wantGood(t, followed)
	wantGood(t, newExporter(t, dir))
	wantErrors(t, followed, "malformed", 2) // the copies of the live one
}
