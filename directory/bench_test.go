package directory_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// layouts are the kinds of directory that a scan is measured on: each gives it the
// files of n live processes.
var layouts = []struct {
	name string
	fill func(t testing.TB, dir string, n int)
}{
	{"native", func(t testing.TB, dir string, n int) {
		for range n {
			newWorker(t, dir, "").count(1)
		}
	}},
	{"counters", func(t testing.TB, dir string, n int) { fillStock(t, dir, "counter", n) }},
	{"gauges", func(t testing.TB, dir string, n int) { fillStock(t, dir, "gauge_all", n) }},
}

// fillStock makes files of client_python, as n processes have them.
func fillStock(t testing.TB, dir, kind string, n int) {
	t.Helper()
	for i := range n {
		f, err := stocktest.Open(dbPath(dir, kind, i))
		must(t, err)
		must(t, f.Set(stocktest.Key("c", "c_total", "A count."), 1, 0))
		t.Cleanup(func() { f.Close() })
	}
}

// BenchmarkScan is a scan of files that are known, with an archive beside them and
// the sources that a merge would take.
func BenchmarkScan(b *testing.B) {
	for _, layout := range layouts {
		for _, n := range []int{64, 1000} {
			b.Run(fmt.Sprintf("%s/%d", layout.name, n), func(b *testing.B) {
				dir := b.TempDir()
				newWorker(b, dir, "").count(1).die(b)
				archive(b, dir, archiver.Options{})
				layout.fill(b, dir, n)
				d := follow(b, dir, directory.Options{})
				scanOnce(b, d, n)
				b.ReportAllocs()
				for b.Loop() {
					scanOnce(b, d, n)
				}
			})
		}
	}
}

func scanOnce(t testing.TB, d *directory.Directory, n int) {
	v, err := d.Scan(context.Background())
	must(t, err)
	if len(v.Files) != n || len(v.Sources()) != n+1 || len(v.Problems) > 0 {
		t.Fatalf("%d files, want %d; problems %v", len(v.Files), n, v.Problems)
	}
	v.Close()
}

// BenchmarkFirstScan is the scan that meets the files: they are opened, and their
// schema is parsed.
func BenchmarkFirstScan(b *testing.B) {
	const n, series = 64, 2000
	dir := b.TempDir()
	for range n {
		fillWorker(b, dir, series)
	}
	b.Run(fmt.Sprintf("native/%dx%d", n, series), func(b *testing.B) {
		for b.Loop() {
			d := directory.New(dir, directory.Options{})
			scanOnce(b, d, n)
			d.Close()
		}
	})
	dir = b.TempDir()
	for i := range n {
		f, err := stocktest.Open(filepath.Join(dir, "counter_"+noPID(i)+".db"))
		must(b, err)
		for s := range series {
			name := fmt.Sprintf("c%d_total", s)
			must(b, f.Set(stocktest.Key(name, name, "A count."), 1, 0))
		}
		b.Cleanup(func() { f.Close() })
	}
	b.Run(fmt.Sprintf("counters/%dx%d", n, series), func(b *testing.B) {
		for b.Loop() {
			d := directory.New(dir, directory.Options{})
			scanOnce(b, d, n)
			d.Close()
		}
	})
}

// fillWorker is a process with so many counters.
func fillWorker(t testing.TB, dir string, series int) {
	t.Helper()
	w := newWorker(t, dir, "")
	family, err := w.AddFamily(mmapstore.Family{Name: "d_total", Type: mmapstore.Counter})
	must(t, err)
	born := time.Now()
	for i := range series {
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "label", Value: fmt.Sprintf("value %d", i)}})
		must(t, err)
		_, err = w.AddSeries(family, labels, born)
		must(t, err)
	}
}
