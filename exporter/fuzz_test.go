//go:build unix

package exporter_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/worker"
)

// stockNames are the files of two processes of stock clients, by the letter that
// a line of FuzzScrape begins with.
var stockNames = map[byte]string{
	'c': "counter_5000001.db", 'C': "counter_5000002.db", 'h': "histogram_5000001.db", 'H': "histogram_5000002.db",
	's': "summary_5000001.db", 'a': "gauge_all_5000001.db", 'A': "gauge_all_5000002.db", 'm': "gauge_max_5000001.db",
	'l': "gauge_mostrecent_5000001.db", 'r': "metric_x___5000001.bin", 'R': "metric_x___5000002.bin",
}

// stockFiles are the files that a text describes: in each line the letter of a
// file, a value, and a key.
func stockFiles(text []byte) map[string][]byte {
	files := make(map[string][]byte)
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(line) < 2 || stockNames[line[0]] == "" {
			continue
		}
		number, key, _ := bytes.Cut(line[1:], []byte(" "))
		value, err := strconv.ParseFloat(string(number), 64)
		if err != nil {
			value = float64(len(number))
		}
		name := stockNames[line[0]]
		if files[name] == nil {
			files[name] = make([]byte, 8)
		}
		files[name] = appendEntry(files[name], name, key, value)
	}
	return files
}

func appendEntry(b []byte, name string, key []byte, value float64) []byte {
	padding := strings.Repeat(" ", 8-(len(key)+4)%8)
	n := len(key)
	values := []float64{value, 1}
	if strings.HasSuffix(name, ".bin") { // the length counts the padding
		n += len(padding)
	}
	b = append(append(binary.NativeEndian.AppendUint32(b, uint32(n)), key...), padding...)
	for _, v := range values {
		b = binary.NativeEndian.AppendUint64(b, math.Float64bits(v))
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// hostileKeys are what no client writes, and what one may with names of UTF-8.
var hostileKeys = []string{
	`c1 ["x","x",{"a":"1"},"Help."]` + "\n" + `h2 ["h","h_bucket",{"le":"1.0"},""]` + "\n" + `h2 ["h","h_sum",{},""]`,
	`c1 ["x","x",{"..name..":"1"},""]`,
	`c1 ["x","x",{"a:b":"1"},""]`,
	`c1 ["x","x",{"a.b":"1"},""]` + "\n" + `c2 ["x","x",{"a_b":"1"},""]`,
	`c1 ["x","x",{"a:b":"1"},""]` + "\n" + `C2 ["x","x",{"a_b":"1"},""]`,
	`c1 ["x","x",{"a.b":"1","a_b":"2"},""]`,
	`a1 ["x","x",{"pid":"1"},""]` + "\n" + `A2 ["x","x",{"pid":"1"},""]`,
	`c1 ["x.y","x.y",{},""]` + "\n" + `c1 ["x_y","x_y",{},""]`,
	`c1 ["x","x",{},""]` + "\n" + `c1 ["x_total","x_total",{},""]`,
	`h1 ["h","h_bucket",{"le":"1"},""]` + "\n" + `c1 ["h_count","h_count",{},""]`,
	`h1 ["h","h_bucket",{"le":"+Inf"},""]` + "\n" + `s1 ["h","h_sum",{},""]` + "\n" + `sNaN ["h","h_count",{},""]`,
	`c1 ["good_total","good_total",{"x":"\u0000\n\\\""},"H\n"]` + "\n" + `m-Inf ["promfold_series","promfold_series",{},""]`,
	"r1 a=b&le=1.0\nr1 a=b&le=sum\nR7 a=b&le=01\nR1e400 a=b&le=+Inf",
	`lNaN ["g","g",{"quantile":"1"},""]` + "\n" + `s-1 ["g2","g2_sum",{"quantile":"1"},""]`,
}

// accepts are the formats and escapings that a scraper may ask for.
var accepts = []string{
	"text/plain;version=0.0.4",
	"text/plain;version=1.0.0;escaping=allow-utf-8",
	"text/plain;version=1.0.0;escaping=dots",
	"text/plain;version=1.0.0;escaping=values",
	"application/openmetrics-text;version=0.0.1",
	"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
}

// Property: whatever the files of stock clients hold, an answer is valid in each
// format, the next one is the same, and a good worker is exposed as it is.
func FuzzScrape(f *testing.F) {
	for _, text := range hostileKeys {
		for i := range accepts {
			f.Add([]byte(text), uint8(i))
		}
	}
	dir := f.TempDir()
	good, err := worker.New(dir, worker.WithLogger(quiet))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { good.Close() })
	worker.With(good).NewCounter(prometheus.CounterOpts{Name: "good_worker_total", Help: "Good."}).Add(3)
	f.Fuzz(func(t *testing.T, text []byte, format uint8) {
		files := stockFiles(text)
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d := directory.New(dir, directory.Options{})
		defer d.Close()
		e := exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}, Logger: slog.New(slog.DiscardHandler)})
		accept := accepts[int(format)%len(accepts)]
		if first, again := answer(t, e, accept), answer(t, e, accept); !bytes.Equal(first, again) {
			t.Fatalf("Accept %q: %s\nthen\n%s", accept, first, again)
		}
		for name := range files {
			_ = os.Remove(filepath.Join(dir, name))
		}
	})
}

// answer is what the application shows, of an answer that must be valid.
func answer(t *testing.T, h http.Handler, accept string) []byte {
	t.Helper()
	w := get(h, "/metrics", "Accept", accept)
	valid := fixture.Valid
	if strings.HasPrefix(accept, "application/openmetrics") {
		valid = fixture.ValidOpenMetrics
	}
	if err := valid(w.Body.Bytes()); w.Code != http.StatusOK || err != nil {
		t.Fatalf("Accept %q: status %d, %v:\n%s", accept, w.Code, err, merged(w.Body.Bytes()))
	}
	if !bytes.Contains(w.Body.Bytes(), []byte("\ngood_worker_total 3")) {
		t.Fatalf("Accept %q: the good worker is not there:\n%s", accept, w.Body)
	}
	return merged(w.Body.Bytes())
}

// merged is an exposition without what promfold says of itself.
func merged(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("promfold_")) && !bytes.HasPrefix(line, []byte("# ")) {
			fmt.Fprintf(&out, "%s", line)
		}
	}
	return out.Bytes()
}
