//go:build interop && linux

package interop_test

import (
	"math"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/redistest"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
	"github.com/promfold/promfold/redisstore/instrumentor"
)

// Property: what instrumentor writes is shown as it shows it itself. Of a histogram with
// labels it shows no sum, no count and no last bucket for the labels: these are there
// beside what it shows, and are counted.
func TestInstrumentor(t *testing.T) {
	python := foreignPython(t, "instrumentor", "instrumentor")
	server := redistest.Start(t, redistest.Options{})
	said := runForeign(t, python, testdata("instrumentor/run.py"), server.Addr(), "it", "1")
	text, counts := readForeign(t, instrumentor.New(server.Client(), instrumentor.Options{Namespace: "it", Logger: foreigntest.Quiet}))
	got, want := foreigntest.Samples(t, text), foreigntest.Samples(t, said)
	added := 0
	for name := range got {
		labelled := strings.Contains(name, "queue=") && strings.HasPrefix(name, "it_labelled_seconds_")
		if _, ok := want[name]; !ok && labelled && !strings.Contains(name, " le=\"0") && !strings.Contains(name, " le=\"2") {
			delete(got, name)
			added++
		}
	}
	if math.IsInf(want["it_latency_seconds_sum"], 0) || len(want) < 40 {
		t.Fatalf("the library shows %d samples", len(want))
	}
	foreigntest.Equal(t, got, want)
	foreigntest.SameTypes(t, text, said)
	if counts["incomplete"] != 6 || len(counts) != 1 || added == 0 {
		t.Errorf("counted %v, %d samples were added", counts, added)
	}
}
