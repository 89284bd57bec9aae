//go:build unix

package mmapstore

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Property: a chunk that cannot be mapped does not make the file grow by another
// one with each try, and the next try that can takes it.
func TestUnmappableChunkIsKept(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	f := mustFamily(t, w, counterFamily)
	blind := must(os.OpenFile(w.Path(), os.O_WRONLY, 0)) // grows, cannot be mapped
	defer blind.Close()
	seeing := w.f
	w.f = blind
	for range 10 {
		if _, err := w.AddSeries(f, "", time.Now()); err == nil {
			t.Fatal("mapped what cannot be read")
		}
	}
	w.f = seeing
	if st := must(os.Stat(w.Path())); st.Size() != 2*ChunkSize {
		t.Errorf("%d bytes after failures, want %d", st.Size(), 2*ChunkSize)
	}
	n := uint64(0)
	for ; w.spare == 0 && w.size <= 4*ChunkSize; n++ { // schema and cells into chunks of their own
		mustSeries(t, w, f, "i", strconv.FormatUint(n, 10)).Cells[0].Store(n)
	}
	got := contents(t, mustOpen(t, w.Path()))
	if uint64(len(got)) != n {
		t.Errorf("%d series, want %d", len(got), n)
	}
	for i := range n {
		if name := `hits_total{i="` + strconv.FormatUint(i, 10) + `"}`; got[name][0] != i {
			t.Errorf("%s = %v", name, got[name])
		}
	}
	if faults := Check(w.Path()); len(faults) > 0 {
		t.Error(faults)
	}
}

// Property: a Close that failed leaves the process alive, and can be called again.
func TestCloseAgain(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	s := mustSeries(t, w, mustFamily(t, w, counterFamily))
	s.Cells[0].Add(3)
	w.mapped[-1] = w.mapped[0][8:16] // begins on no page: cannot be replaced
	r := mustOpen(t, w.Path())
	for range 2 {
		if w.Close() == nil {
			t.Fatal("closed")
		}
		if v := r.Probe(); v.State != Alive {
			t.Errorf("%v by %v", v.State, v.Method)
		}
	}
	delete(w.mapped, -1)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.Cells[0].Add(100)
	if v := r.Probe(); v.State != Dead {
		t.Errorf("%v by %v", v.State, v.Method)
	}
	if got := contents(t, r)["hits_total{}"][0]; got != 3 {
		t.Errorf("file holds %d, want 3", got)
	}
}
