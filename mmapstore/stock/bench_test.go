//go:build unix

package stock_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore/stock"
)

var benchBounds = []string{".005", ".01", ".025", ".05", ".075", ".1", ".25", ".5", ".75", "1.0", "2.5", "5.0", "7.5", "10.0", "+Inf"}

// benchBucket is the key of the i-th bucket of a file.
func benchBucket(i int) string {
	n := len(benchBounds)
	return fmt.Sprintf(`["http_seconds", "http_seconds_bucket", {"le": "%s", "method": "GET", "path": "/api/v1/item/%d"}, "Time to answer."]`, benchBounds[i%n], i/n)
}

// benchFile is a file of n entries as client_python writes them.
func benchFile(b *testing.B, base string, n int) string {
	path := filepath.Join(b.TempDir(), base)
	f := fixture.Create(b, path, 65536)
	for i := range n {
		if base == "counter_1.db" {
			f.Add(fmt.Sprintf(`["http_requests", "http_requests_total", {"code": "200", "method": "GET", "path": "/api/v1/item/%d"}, "Requests that were answered."]`, i), float64(i), 0)
			continue
		}
		f.Add(benchBucket(i), float64(i), 0)
	}
	return path
}

func benchBases(b *testing.B, run func(b *testing.B, path, base string, n int)) {
	const n = 15_000
	for _, base := range []string{"counter_1.db", "histogram_1.db"} {
		b.Run(base, func(b *testing.B) {
			path := benchFile(b, base, n)
			b.ReportAllocs()
			run(b, path, base, n)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		})
	}
}

// BenchmarkCold opens a file and reads all of it.
func BenchmarkCold(b *testing.B) {
	benchBases(b, func(b *testing.B, path, base string, _ int) {
		for b.Loop() {
			r, err := opener(base)(path, base, stock.Options{})
			if err != nil {
				b.Fatal(err)
			}
			if err := r.Refresh(); err != nil {
				b.Fatal(err)
			}
			if err := r.Load(make([]uint64, r.Schema().Words)); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
}

// BenchmarkWarm refreshes and loads a file that was read before.
func BenchmarkWarm(b *testing.B) {
	benchBases(b, func(b *testing.B, path, base string, _ int) {
		r := open(b, path, base)
		if err := r.Refresh(); err != nil {
			b.Fatal(err)
		}
		words := make([]uint64, r.Schema().Words)
		for b.Loop() {
			if err := r.Refresh(); err != nil {
				b.Fatal(err)
			}
			if err := r.Load(words); err != nil {
				b.Fatal(err)
			}
		}
	})
}
