//go:build unix

package mmapstore

import (
	"fmt"
	"os"
	"testing"
)

// Property: of a file that was cut, wherever, what lies before the cut is read, series by
// series; one of which a part is gone counts for nothing.
func TestLoadRest(t *testing.T) {
	w, err := Create(t.TempDir(), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	counters := mustFamily(t, w, Family{Name: "hits", Type: Counter})
	histograms := mustFamily(t, w, Family{Name: "waits", Type: Histogram, Bounds: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}})
	for i := range 600 {
		for _, family := range []int{counters, histograms} {
			s := mustSeries(t, w, family, "i", fmt.Sprint(i))
			for j := range s.Cells {
				s.Cells[j].Store(7)
			}
		}
	}
	r := mustOpen(t, w.Path())
	schema := r.Schema()
	first, last := int64(MaxFileSize), int64(0)
	end := func(s Series) int64 {
		return int64(r.cellOffset(s.Word)) + int64(schema.Families[s.Family].cellWords())*wordSize
	}
	for _, s := range schema.Series {
		first, last = min(first, int64(r.cellOffset(s.Word))), max(last, end(s))
	}
	for size := last; size > first; size -= 1304 { // not in step with anything
		if err := os.Truncate(w.Path(), size); err != nil {
			t.Fatal(err)
		}
		words := make([]uint64, schema.Words)
		if err := r.LoadRest(words); err != nil {
			t.Fatal(err)
		}
		for _, s := range schema.Series {
			want := uint64(7)
			if end(s) > size {
				want = 0
			}
			for _, got := range words[s.Word:][:schema.Families[s.Family].WordCount(1)] {
				if got != want {
					t.Fatalf("cut to %d: a word of %v, which ends at %d, is %d", size, s.Labels, end(s), got)
				}
			}
		}
	}
}

// Property: a vector of an earlier Refresh is filled to its end, though the run that
// ended there has grown.
func TestLoadOfAnEarlierVector(t *testing.T) {
	w, err := Create(t.TempDir(), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	family := mustFamily(t, w, counterFamily)
	add := func(from, to int) {
		for i := from; i < to; i++ {
			mustSeries(t, w, family, "i", fmt.Sprint(i)).Cells[0].Store(7)
		}
	}
	add(0, 10)
	r := mustOpen(t, w.Path())
	add(10, 5000)
	file := r.cells.f
	unmappable, err := os.OpenFile(w.Path(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unmappable.Close()
	r.cells.f = unmappable // as if memory were short
	if err := r.Refresh(); err == nil {
		t.Fatal("what cannot be mapped was")
	}
	r.cells.f = file
	schema := r.Schema()
	add(5000, 10000)
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	words := make([]uint64, schema.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	for _, s := range schema.Series {
		if words[s.Word] != 7 {
			t.Fatalf("%v is %d", s.Labels, words[s.Word])
		}
	}
}
