package mmapstore

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// benchFile makes a file of n counters.
func benchFile(b *testing.B, n int) *Writer {
	b.Helper()
	w, err := Create(b.TempDir(), WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { w.Close() })
	f, err := w.AddFamily(counterFamily)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		labels, _ := EncodeLabels([]Label{{"code", "200"}, {"handler", fmt.Sprintf("/api/v1/%d", i)}})
		s, err := w.AddSeries(f, labels, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		s.Cells[0].Add(uint64(i))
	}
	return w
}

func benchOpen(b *testing.B, w *Writer) *Reader {
	b.Helper()
	r, err := Open(w.Path())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	if err := r.Refresh(); err != nil {
		b.Fatal(err)
	}
	return r
}

// BenchmarkAdd compares an increment in the file with one on the heap.
func BenchmarkAdd(b *testing.B) {
	w := benchFile(b, 0)
	slot, err := w.AddSeries(0, "", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	var heap atomic.Uint64
	for name, word := range map[string]*Word{"mapped": &slot.Cells[0], "heap": &heap} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				word.Add(1)
			}
		})
	}
}

// BenchmarkAddNeighbours lets each goroutine count in a series of its own, all
// created one after the other.
func BenchmarkAddNeighbours(b *testing.B) {
	w := benchFile(b, 0)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		labels, _ := EncodeLabels([]Label{{"i", fmt.Sprint(next.Add(1))}})
		slot, err := w.AddSeries(0, labels, time.Now())
		if err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			slot.Cells[0].Add(1)
		}
	})
}

func BenchmarkSetLatest(b *testing.B) {
	cell := make([]Word, latestWords)
	for b.Loop() {
		SetLatest(cell, 1, 2)
	}
}

func BenchmarkAddSeries(b *testing.B) {
	w := benchFile(b, 0)
	labels := make([]Labels, b.N)
	for i := range labels {
		labels[i], _ = EncodeLabels([]Label{{"handler", fmt.Sprintf("/api/v1/%d", i)}})
	}
	now := time.Now()
	b.ResetTimer()
	for _, l := range labels {
		if _, err := w.AddSeries(0, l, now); err != nil {
			b.Skip(err) // b.N is over the cap
		}
	}
}

// BenchmarkColdRefresh opens a file of 5,000 series and parses all of it.
func BenchmarkColdRefresh(b *testing.B) {
	w := benchFile(b, 5000)
	b.ReportAllocs()
	for b.Loop() {
		r, err := Open(w.Path())
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Refresh(); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// BenchmarkWarmRefresh finds nothing new in a file of 5,000 series.
func BenchmarkWarmRefresh(b *testing.B) {
	r := benchOpen(b, benchFile(b, 5000))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Refresh(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad loads 64 files of 5,000 counters each: the reading part of a
// warm scrape.
func BenchmarkLoad(b *testing.B) {
	var readers []*Reader
	for range 64 {
		readers = append(readers, benchOpen(b, benchFile(b, 5000)))
	}
	words := make([]uint64, readers[0].Schema().Words)
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range readers {
			if err := r.Load(words); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkProbe asks all probes of a file whose writer lives.
func BenchmarkProbe(b *testing.B) {
	r := benchOpen(b, benchFile(b, 1))
	for b.Loop() {
		if r.Probe().State != Alive {
			b.Fatal("dead")
		}
	}
}
