//go:build unix

package stock_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore/stock"
)

// fleet are the files of processes that hold the same series: a counter and
// histograms each. Values and times of the i-th entry are written by put.
type fleet struct {
	files   []*fixture.File
	bases   []string
	values  [][]int64 // of each file: where they are
	bytes   [][]byte  // of each file
	entries int
}

const (
	fleetSize     = 64
	fleetCounters = 1_000
	fleetBuckets  = 3_750
)

// newFleet makes the files; shuffled: each has its entries in an order of its own.
func newFleet(b *testing.B, shuffled bool) *fleet {
	f := &fleet{bytes: make([][]byte, 2*fleetSize)}
	for _, kind := range []string{"counter", "histogram"} {
		var keys []string
		if kind == "counter" {
			for i := range fleetCounters {
				keys = append(keys, fmt.Sprintf(`["http_requests", "http_requests_total", {"code": "200", "method": "GET", "path": "/api/v1/item/%d"}, "Requests that were answered."]`, i))
			}
		} else {
			for i := range fleetBuckets {
				keys = append(keys, benchBucket(i))
			}
		}
		for pid := range fleetSize {
			base := fmt.Sprintf("%s_%d.db", kind, pid+1)
			file := fixture.Create(b, filepath.Join(b.TempDir(), base), 65536)
			order := rand.New(rand.NewPCG(uint64(pid), 1)).Perm(len(keys))
			var offsets []int64
			for i := range keys {
				if shuffled {
					i = order[i]
				}
				offsets = append(offsets, file.Add(keys[i], float64(i+1), 1.7e9))
			}
			f.files, f.bases, f.values = append(f.files, file), append(f.bases, base), append(f.values, offsets)
			f.entries += len(keys)
		}
	}
	return f
}

func (f *fleet) open(b *testing.B, s *stock.Siblings) (readers []*stock.Reader) {
	for i, file := range f.files {
		r, err := opener(f.bases[i])(file.Name(), f.bases[i], stock.Options{Siblings: s})
		if err != nil {
			b.Fatal(err)
		}
		readers = append(readers, r)
	}
	return readers
}

func refreshAll(b *testing.B, readers []*stock.Reader) {
	for _, r := range readers {
		if err := r.Refresh(); err != nil {
			b.Fatal(err)
		}
	}
}

// loadAll loads into one vector after the other.
func loadAll(b *testing.B, readers []*stock.Reader, words [][]uint64) {
	for i, r := range readers {
		if err := r.Load(words[i]); err != nil {
			b.Fatal(err)
		}
	}
}

func vectors(readers []*stock.Reader) (words [][]uint64) {
	for _, r := range readers {
		words = append(words, make([]uint64, r.Schema().Words))
	}
	return words
}

func (f *fleet) report(b *testing.B, what string) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(f.entries), what)
}

// BenchmarkColdFleet opens and reads the files of many processes.
func BenchmarkColdFleet(b *testing.B) {
	for _, row := range []struct {
		name            string
		siblings, mixed bool
	}{{"alone", false, false}, {"alike", true, false}, {"shuffled", true, true}} {
		b.Run(row.name, func(b *testing.B) {
			f := newFleet(b, row.mixed)
			b.ReportAllocs()
			for b.Loop() {
				var s *stock.Siblings
				if row.siblings {
					s = stock.NewSiblings()
				}
				readers := f.open(b, s)
				refreshAll(b, readers)
				loadAll(b, readers, vectors(readers))
				for _, r := range readers {
					r.Close()
				}
			}
			f.report(b, "ns/entry")
		})
	}
}

// BenchmarkWarmFleet reads the files of many processes again.
func BenchmarkWarmFleet(b *testing.B) {
	for _, name := range []string{"same", "changed"} {
		b.Run(name, func(b *testing.B) {
			f := newFleet(b, false)
			readers := f.open(b, stock.NewSiblings())
			refreshAll(b, readers)
			words := vectors(readers)
			loadAll(b, readers, words)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if name == "changed" {
					b.StopTimer()
					f.change(b, float64(i+2))
					b.StartTimer()
				}
				refreshAll(b, readers)
				loadAll(b, readers, words)
			}
			f.report(b, "ns/entry")
		})
	}
}

// change sets every value, a file at a time.
func (f *fleet) change(b *testing.B, v float64) {
	for i, file := range f.files {
		if f.bytes[i] == nil {
			f.bytes[i], _ = os.ReadFile(file.Name())
		}
		for _, off := range f.values[i] {
			binary.NativeEndian.PutUint64(f.bytes[i][off:], math.Float64bits(v+1e6))
		}
		if _, err := file.WriteAt(f.bytes[i], 0); err != nil {
			b.Fatal(err)
		}
	}
}
