//go:build unix

package exporter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/stocktest"
)

// Property: a process of a stock client counts once, however many files it has,
// and lives as long as somebody writes one of them; the archiver of
// another program is reported.
func TestProcessesOfStockClients(t *testing.T) {
	dir := t.TempDir()
	open := func(kind string, pid int) *stocktest.File {
		f, err := stocktest.Open(filepath.Join(dir, fmt.Sprintf("%s_%d.db", kind, 5_000_000+pid))) // no process has it
		if err == nil {
			err = f.Set(stocktest.Key(kind, kind, "Help."), 1, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	open("counter", 1)
	open("gauge_all", 1).Close() // of one that lives
	open("gauge_livesum", 2).Close()
	open("counter", 2).Close()
	e := newExporter(t, dir)
	check := func(name string, want float64, labels ...string) {
		t.Helper()
		if got := value(t, scrape(t, e), name, labels...); got != want {
			t.Errorf("%s %q is %v, want %v", name, labels, got, want)
		}
	}
	check("promfold_processes", 1, "live")
	check("promfold_processes", 1, "dead")
	check("promfold_liveness_files", 4, "lease")
	check("promfold_archive_foreign", 0)
	if err := os.WriteFile(filepath.Join(dir, "lockfile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("promfold_archive_foreign", 1)
}
