//go:build unix

package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/promfold/promfold/internal/stocktest"
)

// pythonCounters makes the file of a Python process with such counters, all at 3.
// It is open for writing, as that of a live process is, until the returned
// function is called. No process has such a pid.
func pythonCounters(t *testing.T, dir string, names ...string) (die func()) {
	t.Helper()
	f, err := stocktest.Open(filepath.Join(dir, "counter_9999999.db"))
	if err != nil {
		t.Fatal(err)
	}
	die = func() { _ = f.Close() }
	t.Cleanup(die)
	for _, name := range names {
		if err := f.Add(stocktest.Key(strings.TrimSuffix(name, "_total"), name, "Counts."), 3); err != nil {
			t.Fatal(err)
		}
	}
	return die
}

// lacks fails if a scrape has a line with this text.
func (d *daemon) lacks(text string) {
	d.t.Helper()
	if body := d.metrics(); strings.Contains(body, text) {
		d.t.Errorf("%s is in:\n%s", text, body)
	}
}

// What the configuration says holds for the files of other clients at once:
// after the start, after a reload for what is read already, and for directories
// that come later. A bad reload leaves all as it was.
func TestOverrides(t *testing.T) {
	root := t.TempDir()
	makeDir := func(name string) (path string) {
		path = filepath.Join(root, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		pythonCounters(t, path, "jobs_total", "noisy_total")
		return path
	}
	a := makeDir("app-a")
	config := newConfigFile(t, "families: {noisy_total: {drop: true}, jobs_total: {help: Work.}}")
	d := serve(t, nil, "--multiproc.dir="+filepath.Join(root, "app-*"), "--multiproc.dir-label=app", config.flag())
	d.wants(`jobs_total{app="`+a+`"} 3`, "# HELP jobs_total Work.", "# TYPE jobs_total counter")
	d.lacks("noisy_total")

	config.write(badConfig)
	d.send(syscall.SIGHUP)
	d.awaitLog(notReloaded)
	d.wants(`jobs_total{app="`+a+`"} 3`, "# HELP jobs_total Work.")
	d.lacks("noisy_total")

	config.write("families: {jobs_total: {drop: true}, noisy_total: {type: untyped}}")
	if status, _, body := d.reload(http.MethodPost); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	d.wants(`noisy_total{app="`+a+`"} 3`, "# TYPE noisy_total untyped")
	d.lacks("jobs_total")

	b := makeDir("app-b")
	d.wants(`noisy_total{app="`+a+`"} 3`, `noisy_total{app="`+b+`"} 3`)
	d.lacks("jobs_total")
	d.signal()
	d.ends()
}

// A family that is dropped when a process dies is lost; one that is dropped later
// is hidden, and its archived share is there again when it is not dropped any more.
func TestOverridesOfTheDead(t *testing.T) {
	dir := t.TempDir()
	pythonCounters(t, dir, "jobs_total", "noisy_total")()
	config := newConfigFile(t, "families: {noisy_total: {drop: true}}")
	d := serve(t, nil, "--multiproc.dir="+dir, "--archive.interval=50ms", config.flag())
	d.eventually("promfold_archive_absorbed_files_total 1")
	d.wants("jobs_total 3")
	d.lacks("noisy_total")

	config.write("families: {jobs_total: {drop: true}}")
	if status, _, body := d.reload(http.MethodPost); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	d.lacks("jobs_total 3")
	d.lacks("noisy_total")

	config.write("families: {}")
	if status, _, body := d.reload(http.MethodPost); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	d.wants("jobs_total 3")
	d.lacks("noisy_total")
	d.signal()
	d.ends()
}

// dump is told the same.
func TestOverridesDump(t *testing.T) {
	dir := t.TempDir()
	pythonCounters(t, dir, "jobs_total", "noisy_total")
	config := newConfigFile(t, "families: {noisy_total: {drop: true}}")
	if r := run(t, "dump", config.flag(), dir); r.code != 0 || !strings.Contains(r.stdout, "\njobs_total 3\n") || strings.Contains(r.stdout, "noisy") {
		t.Errorf("dump: %+v", r)
	}
}
