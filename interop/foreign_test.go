//go:build interop && linux

package interop_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// foreignPython is an interpreter that has a library, whose values are to be read.
func foreignPython(t *testing.T, venv, module string) string {
	t.Helper()
	python, err := filepath.Abs("../bin/interop/" + venv + "/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	needPython(t, python, module)
	return python
}

// runForeign runs a program to its end and returns the exposition that it prints.
func runForeign(t *testing.T, python string, args ...string) string {
	t.Helper()
	cmd := exec.Command(python, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, said.String())
	}
	return string(out)
}

// foreignReader is a reader of another library's values.
type foreignReader interface {
	Read(ctx context.Context) ([]aggregate.Source, error)
	Collectors() []prometheus.Collector
}

// readForeign is the exposition of what is read, and what was counted on the way.
func readForeign(t *testing.T, r foreignReader) (text string, counts map[string]int) {
	t.Helper()
	sources, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return foreigntest.Text(t, aggregate.NewMerger(nil), sources...), foreigntest.Counts(t, r.Collectors())
}
