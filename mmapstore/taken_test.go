//go:build unix

package mmapstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Property: a series with a label that the exposition adds by itself is refused
// and named, since one such sample makes the answer invalid; its neighbours and
// the same label in another type stay.
func TestTakenLabels(t *testing.T) {
	dir := t.TempDir()
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, s := range []struct {
		typ   mmapstore.Type
		label string
	}{
		{mmapstore.Histogram, "le"}, {mmapstore.Summary, "quantile"}, {mmapstore.Counter, "__name__"},
		{mmapstore.Counter, "le"}, {mmapstore.Histogram, "quantile"},
	} {
		family, err := w.AddFamily(mmapstore.Family{Name: s.typ.String() + "_" + s.label, Type: s.typ})
		if err != nil {
			t.Fatal(err)
		}
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: s.label, Value: "1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddSeries(family, labels, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if faults := mmapstore.Check(w.Path()); len(faults) != 3 {
		t.Errorf("%d faults, want 3: %v", len(faults), faults)
	}
	r, err := mmapstore.Open(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Refresh(); !errors.Is(err, mmapstore.ErrMalformed) {
		t.Errorf("Refresh: %v", err)
	}
	if n := len(r.Schema().Series); n != 2 {
		t.Errorf("%d series, want 2", n)
	}
}
