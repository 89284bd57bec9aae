//go:build interop && linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// Property: the whole suite runs on small sets, finds both sides' answers the same,
// measures every row of every group, but for goroutines that found no
// core for each of them, and writes its report and a plot that is XML.
func TestQuick(t *testing.T) {
	venv, err := os.Stat("../bin/bench/venv/bin/python")
	need.That(t, err == nil && venv.Mode().IsRegular(), "client_python", ".ci/install-bench installs it")
	ruby := exec.Command("/usr/bin/ruby", "-e", "require 'fast_mmaped_file'").Run()
	need.That(t, ruby == nil, "GitLab's client for Ruby", ".ci/install-bench installs it")
	pdc, err := os.Stat("../bin/bench/pdc/bin/python")
	need.That(t, err == nil && pdc.Mode().IsRegular(), "prometheus-distributed-client", ".ci/install-bench installs it")
	need.Program(t, "redis-server", ".ci/install-bench installs it")

	dir := t.TempDir()
	results, picture := filepath.Join(dir, "RESULTS.md"), filepath.Join(dir, "plot.svg")
	program := filepath.Join(dir, "bench")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program, "-C", "..", "-quick", "-results", results, "-plot", picture).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups() {
		for _, r := range g.rows {
			_, rest, found := strings.Cut(string(report), "| "+r.path+" | "+r.goal+" | ")
			line, _, _ := strings.Cut(rest, "\n")
			switch {
			case !found:
				t.Errorf("no row %q in the report", r.path)
			case strings.Contains(line, "not measured") && !strings.Contains(r.path, "two goroutines"):
				t.Errorf("%q was not measured", r.path)
			}
		}
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := xml.NewDecoder(f); err == nil; _, err = d.Token() {
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the plot: %v", err)
	}
}
