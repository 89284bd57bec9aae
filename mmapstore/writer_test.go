package mmapstore

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// Property: what was stored in the cells of a slot is what a reader of the file
// loads for that series, for every type.
func TestReaderSeesWhatCellsHold(t *testing.T) {
	w := newWriter(t, WriterOptions{Identity: "web-1"})
	want := map[string][]uint64{}
	put := func(f Family, values []uint64, pairs ...string) {
		s := mustSeries(t, w, mustFamily(t, w, f), pairs...)
		if len(s.Cells) != len(values) {
			t.Fatalf("%s has %d cells, want %d", f.Name, len(s.Cells), len(values))
		}
		for i, v := range values {
			s.Cells[i].Store(v)
		}
		want[f.Name+labelsOf(t, pairs...).String()] = values
	}
	put(counterFamily, []uint64{7, bits(0.25)}, "code", "200", "method", "GET")
	put(gaugeFamily, []uint64{1, bits(-3)})
	put(histFamily, []uint64{bits(9.5), 1, 2, 3, 4}, "q", "ä\n\"")
	put(summaryFamily, []uint64{bits(12), 3})

	level := mustSeries(t, w, mustFamily(t, w, latestFamily))
	SetLatest(level.Cells, 1, 100)
	SetLatest(level.Cells, 2, 200)
	want["level{}"] = []uint64{1, bits(2), 200}

	r := mustOpen(t, w.Path())
	got := contents(t, r)
	for name, values := range want {
		if !slices.Equal(got[name], values) {
			t.Errorf("%s = %v, want %v", name, got[name], values)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d series, want %d", len(got), len(want))
	}
	if h := r.Header(); h.Identity != "web-1" || h.Process.PID != uint32(os.Getpid()) || !h.Locked {
		t.Errorf("header %+v", h)
	}
}

// Property: a reader beside a live writer sees every series once it was added,
// and never parses a byte twice.
func TestRefreshParsesOnlyWhatWasAppended(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	f := mustFamily(t, w, counterFamily)
	r := mustOpen(t, w.Path())
	var parsed []int64
	for round := range 4 { // over several schema chunks
		for i := range 2000 {
			s := mustSeries(t, w, f, "i", fmt.Sprint(round, "-", i))
			s.Cells[0].Store(uint64(i))
		}
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		if n := len(r.Schema().Series); n != (round+1)*2000 {
			t.Fatalf("%d series after round %d", n, round)
		}
		parsed = append(parsed, r.ParsedBytes())
	}
	if err := r.Refresh(); err != nil || r.ParsedBytes() != parsed[3] {
		t.Errorf("a refresh without news parsed %d bytes, err %v", r.ParsedBytes()-parsed[3], err)
	}
	first, last := parsed[1]-parsed[0], parsed[3]-parsed[2]
	if last != first {
		t.Errorf("2,000 series cost %d bytes early and %d late", first, last)
	}
	if whole := mustOpen(t, w.Path()).ParsedBytes(); whole != parsed[3] {
		t.Errorf("parsed %d bytes in steps, %d at once", parsed[3], whole)
	}
}

// Property: cells handed out never overlap, stay where they are while the file
// grows, and neighbours in order of creation lie on different cache lines.
func TestCellsNeverMoveAndNeighboursAreApart(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	counters, hists := mustFamily(t, w, counterFamily), mustFamily(t, w, histFamily)
	var slots []Slot
	for i := range 5000 {
		family := counters
		if i%3 == 0 {
			family = hists
		}
		s := mustSeries(t, w, family, "i", fmt.Sprint(i))
		s.Cells[0].Store(uint64(i))
		slots = append(slots, s)
	}
	for i, s := range slots {
		if got := s.Cells[0].Load(); got != uint64(i) {
			t.Fatalf("cell of series %d holds %d", i, got)
		}
	}
	r := mustOpen(t, w.Path())
	for i := 1; i < len(r.cells.runs); i++ {
		if r.cells.runs[i].off/lineSize == r.cells.runs[i-1].off/lineSize {
			t.Fatalf("series %d and %d share a cache line at %d", i-1, i, r.cells.runs[i].off)
		}
	}
}

// Property: a small worker costs a few pages, not chunks, and a full window of
// counters has no gaps.
func TestFileIsSparseAndWindowsDense(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	f := mustFamily(t, w, counterFamily)
	for i := range cellsPerWindow {
		mustSeries(t, w, f, "i", fmt.Sprint(i))
	}
	seen := map[uint32]bool{}
	for _, run := range mustOpen(t, w.Path()).cells.runs {
		seen[run.off/windowSize] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d counters lie in %d windows, want 1", cellsPerWindow, len(seen))
	}
}

// Property: a deleted series keeps its place: created again it is the same
// record and cells, so that any number of cycles leaves the file as it was.
func TestDeletedSeriesTakesItsOwnPlaceBack(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	hits, temp := mustFamily(t, w, counterFamily), mustFamily(t, w, gaugeFamily)
	c, g := mustSeries(t, w, hits, "a", "1"), mustSeries(t, w, temp)
	c.Cells[0].Store(5)
	g.Cells[1].Store(bits(20))
	g.Cells[0].Store(1)
	cycle := func() {
		for _, s := range []Slot{c, g} {
			if err := w.Delete(s); err != nil {
				t.Fatal(err)
			}
		}
		c, g = mustSeries(t, w, hits, "a", "1"), mustSeries(t, w, temp)
	}
	cycle()
	if !c.Resumed || c.Cells[0].Load() != 5 {
		t.Errorf("counter came back as %+v with %d", c.Resumed, c.Cells[0].Load())
	}
	if !g.Resumed || g.Cells[0].Load() != 0 {
		t.Errorf("gauge came back set")
	}
	r := mustOpen(t, w.Path())
	parsed := r.ParsedBytes()
	st, _ := os.Stat(w.Path())
	for range 10_000 {
		cycle()
	}
	if err := r.Refresh(); err != nil || r.ParsedBytes() != parsed {
		t.Errorf("10,000 cycles appended %d bytes of schema, err %v", r.ParsedBytes()-parsed, err)
	}
	if now, _ := os.Stat(w.Path()); now.Size() != st.Size() {
		t.Errorf("file grew from %d to %d", st.Size(), now.Size())
	}
	s := r.Schema()
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	if len(s.Tombstones) != 2 || words[s.Tombstones[0].Word] != 2*10_001 {
		t.Errorf("tombstones %v, generation %d", s.Tombstones, words[s.Tombstones[0].Word])
	}
}

// Property: many goroutines create series and count at once; none is lost.
func TestConcurrentWritersLoseNothing(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	f := mustFamily(t, w, counterFamily)
	shared := mustSeries(t, w, f)
	const goroutines, series, adds = 8, 200, 100
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range series {
				l, _ := EncodeLabels([]Label{{"g", fmt.Sprint(g)}, {"i", fmt.Sprint(i)}})
				s, err := w.AddSeries(f, l, time.Now())
				if err != nil {
					t.Error(err)
					return
				}
				for range adds {
					s.Cells[0].Add(1)
					shared.Cells[0].Add(1)
				}
			}
		})
	}
	wg.Wait()
	var total uint64
	for _, words := range contents(t, mustOpen(t, w.Path())) {
		total += words[0]
	}
	if want := uint64(2 * goroutines * series * adds); total != want {
		t.Errorf("total %d, want %d", total, want)
	}
}

// Property: increments before Close are in the file, none after it are, and
// the holder of a cell notices nothing.
func TestCloseDetachesHolders(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	s := mustSeries(t, w, mustFamily(t, w, counterFamily))
	s.Cells[0].Add(3)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.Cells[0].Add(100)
	r := mustOpen(t, w.Path())
	if got := contents(t, r)["hits_total{}"][0]; got != 3 {
		t.Errorf("file holds %d, want 3", got)
	}
	if v := r.Probe(); v.State != Dead {
		t.Errorf("closed store is %v by %v", v.State, v.Method)
	}
	if _, err := w.AddFamily(gaugeFamily); !errors.Is(err, ErrClosed) {
		t.Errorf("AddFamily after Close: %v", err)
	}
	if _, err := w.AddSeries(0, "", time.Now()); !errors.Is(err, ErrClosed) {
		t.Errorf("AddSeries after Close: %v", err)
	}
}

func TestCapsRefuse(t *testing.T) {
	w := newWriter(t, WriterOptions{MaxSeries: 2})
	f := mustFamily(t, w, counterFamily)
	long := make([]byte, MaxLabelBytes+1)
	for i := range long {
		long[i] = 'x'
	}
	if _, err := EncodeLabels([]Label{{"a", string(long)}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge label: %v", err)
	}
	if _, err := w.AddFamily(Family{Name: "h", Help: string(long), Type: Counter}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge help: %v", err)
	}
	mustSeries(t, w, f, "a", "1")
	mustSeries(t, w, f, "a", "2")
	if _, err := w.AddSeries(f, labelsOf(t, "a", "3"), time.Now()); !errors.Is(err, ErrTooLarge) {
		t.Errorf("third of two series: %v", err)
	}
	w.CountDropped()
	if n, err := mustOpen(t, w.Path()).Dropped(); n != 1 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
}

func TestFileModeIgnoresUmask(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o600, 0o666} {
		w := newWriter(t, WriterOptions{FileMode: mode})
		want := mode
		if mode == 0 {
			want = 0o640
		}
		if st, err := os.Stat(w.Path()); err != nil || st.Mode().Perm() != want {
			t.Errorf("mode %v, %v, want %v", st.Mode(), err, want)
		}
	}
}

// Property: a gauge that was unset reads as never set, of whatever shape, and can
// be set again; a counter is left alone.
func TestUnset(t *testing.T) {
	w := newWriter(t, WriterOptions{})
	plain := mustSeries(t, w, mustFamily(t, w, gaugeFamily))
	timed := mustSeries(t, w, mustFamily(t, w, latestFamily))
	counter := mustSeries(t, w, mustFamily(t, w, counterFamily))
	r := mustOpen(t, w.Path())
	for range 3 {
		plain.Cells[0].Store(1)
		SetLatest(timed.Cells, 5, 6)
		counter.Cells[0].Add(1)
		if got := contents(t, r); got["temp{}"][0] != 1 || !slices.Equal(got["level{}"], []uint64{1, bits(5), 6}) {
			t.Errorf("set: %v", got)
		}
		for _, s := range []Slot{plain, timed, counter} {
			w.Unset(s)
		}
		if got := contents(t, r); got["temp{}"][0] != 0 || !slices.Equal(got["level{}"], []uint64{0, 0, 0}) {
			t.Errorf("unset: %v", got)
		}
	}
	if got := contents(t, r)["hits_total{}"][0]; got != 3 {
		t.Errorf("counter is at %d, want 3", got)
	}
}
