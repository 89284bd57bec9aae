package aggregate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// fill makes a directory of live processes with the same counters and
// histograms, n series each.
func fill(b *testing.B, processes, n int) string {
	b.Helper()
	dir := b.TempDir()
	for range processes {
		w, err := mmapstore.Create(dir, mmapstore.WriterOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { w.Close() })
		counters, err := w.AddFamily(mmapstore.Family{Name: "requests_total", Help: "Requests.", Type: mmapstore.Counter})
		if err != nil {
			b.Fatal(err)
		}
		for i := range n {
			labels, _ := mmapstore.EncodeLabels([]mmapstore.Label{
				{Name: "code", Value: "200"}, {Name: "handler", Value: fmt.Sprintf("/api/v1/resource/%d", i)},
			})
			s, err := w.AddSeries(counters, labels, time.Now())
			if err != nil {
				b.Fatal(err)
			}
			s.Cells[0].Store(uint64(i))
		}
	}
	return dir
}

func BenchmarkMerge(b *testing.B) {
	for _, size := range []struct{ processes, series int }{{64, 5000}, {4, 500}} {
		dir := fill(b, size.processes, size.series)
		name := fmt.Sprintf("%dx%d", size.processes, size.series)
		b.Run(name+"/cold", func(b *testing.B) {
			for b.Loop() {
				d := directory.New(dir, directory.Options{})
				merge(b, d, aggregate.NewMerger(nil))
				d.Close()
			}
		})
		b.Run(name+"/warm", func(b *testing.B) {
			d := directory.New(dir, directory.Options{})
			defer d.Close()
			m := aggregate.NewMerger(nil)
			merge(b, d, m)
			for b.Loop() {
				merge(b, d, m)
			}
		})
	}
}

func merge(b *testing.B, d *directory.Directory, m *aggregate.Merger) {
	v, err := d.Scan(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	if _, err := m.Merge(v.Sources()); err != nil {
		b.Fatal(err)
	}
}
