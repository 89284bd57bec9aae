//go:build unix

package exporter_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/mmapstore"
)

// BenchmarkScrape is one scrape over HTTP, uncompressed text, of 64 processes
// with the same 5,000 counters each: warm as of the second scrape, cold as of
// the first of an exporter's life.
func BenchmarkScrape(b *testing.B) {
	const processes, series = 64, 5000
	dir := b.TempDir()
	for range processes {
		fillProcess(b, dir, series)
	}
	b.Run(fmt.Sprintf("%dx%d/warm", processes, series), func(b *testing.B) {
		url := serveBench(b, dir)
		b.SetBytes(fetch(b, url))
		for b.Loop() {
			fetch(b, url)
		}
	})
	b.Run(fmt.Sprintf("%dx%d/cold", processes, series), func(b *testing.B) {
		for b.Loop() {
			fetch(b, serveBench(b, dir))
		}
	})
}

func serveBench(b *testing.B, dir string) (url string) {
	b.Helper()
	d := directory.New(dir, directory.Options{})
	b.Cleanup(func() { d.Close() })
	server := httptest.NewServer(exporter.Handler(d))
	b.Cleanup(server.Close)
	return server.URL
}

// uncompressed asks for no compression, which is not what is measured.
var uncompressed = http.Client{Transport: &http.Transport{DisableCompression: true}}

func fetch(b *testing.B, url string) int64 {
	b.Helper()
	resp, err := uncompressed.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
	return n
}

func fillProcess(b *testing.B, dir string, series int) {
	b.Helper()
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { w.Close() })
	family, err := w.AddFamily(mmapstore.Family{Name: "requests_total", Help: "Requests.", Type: mmapstore.Counter})
	if err != nil {
		b.Fatal(err)
	}
	for i := range series {
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{
			{Name: "code", Value: "200"}, {Name: "handler", Value: fmt.Sprintf("/api/v1/resource/%d", i)},
		})
		if err != nil {
			b.Fatal(err)
		}
		s, err := w.AddSeries(family, labels, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		s.Cells[0].Store(uint64(i))
	}
}
