package mmapstore

import (
	"math"
	"testing"
	"time"
)

// newWriter makes a file in a directory of the test. The file is checked when
// the test ends: whatever a test does through the API leaves it without fault.
func newWriter(t *testing.T, o WriterOptions) *Writer {
	t.Helper()
	w, err := Create(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		for _, fault := range Check(w.Path()) {
			t.Error(fault)
		}
	})
	return w
}

func mustFamily(t *testing.T, w *Writer, f Family) int {
	t.Helper()
	n, err := w.AddFamily(f)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustSeries(t *testing.T, w *Writer, family int, pairs ...string) Slot {
	t.Helper()
	s, err := w.AddSeries(family, labelsOf(t, pairs...), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func labelsOf(t *testing.T, pairs ...string) Labels {
	t.Helper()
	var ls []Label
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, Label{pairs[i], pairs[i+1]})
	}
	l, err := EncodeLabels(ls)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// mustOpen opens and refreshes.
func mustOpen(t *testing.T, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	return r
}

// contents reads a file as plain values: "family{labels}" to the words of the
// series, floats of cumulative series added to their integers.
func contents(t *testing.T, r *Reader) map[string][]uint64 {
	t.Helper()
	s := r.Schema()
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]uint64)
	for _, series := range s.Series {
		f := &s.Families[series.Family]
		got[f.Name+series.Labels.String()] = words[series.Word : series.Word+f.WordCount(1)]
	}
	return got
}

var (
	counterFamily = Family{Name: "hits_total", Help: "Hits.", Type: Counter}
	gaugeFamily   = Family{Name: "temp", Help: "Heat.", Unit: "celsius", Type: Gauge, Mode: Max}
	latestFamily  = Family{Name: "level", Type: Gauge, Mode: Latest}
	histFamily    = Family{Name: "wait_seconds", Help: "Waits.", Type: Histogram, Bounds: []float64{0.5, 1, 2.5}}
	summaryFamily = Family{Name: "size_bytes", Type: Summary}
)

func bits(v float64) uint64 { return math.Float64bits(v) }
