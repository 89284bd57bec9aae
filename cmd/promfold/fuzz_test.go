//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/worker"
)

// fuzzNames are the names that mean something to check and dump.
var fuzzNames = []string{
	"worker-1-0011223344556677.pfm", "counter_5000001.db", "histogram_5000001.db", "gauge_liveall_5000001.db", "metric_x___5000001.bin",
	".promfold/archive.pfa", ".promfold/dead-00112233445566778899aabbccddeeff-summary_5000002.db", "lockfile", "copied",
}

var native = binary.NativeEndian

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// repaired is b with the checksums right that a native file or an archive has, as
// far as its frames lead, so that the fuzzer gets behind them.
func repaired(b []byte) []byte {
	b = bytes.Clone(b)
	switch {
	case len(b) >= 64 && bytes.HasPrefix(b, []byte("\x89PFMARCH")):
		native.PutUint64(b[40:], uint64(len(b)-64))
		native.PutUint32(b[48:], castagnoli(b[64:]))
		native.PutUint32(b[60:], castagnoli(b[:60]))
	case len(b) >= 4096 && bytes.HasPrefix(b, []byte("\x89PFMFILE")):
		native.PutUint32(b[252:], castagnoli(b[:252]))
		for at := 4096; at+12 <= len(b); {
			n := int(native.Uint32(b[at:]))
			if n > len(b)-at-12 {
				break
			}
			sum := castagnoli(append(native.AppendUint16(nil, native.Uint16(b[at+4:])), b[at+12:][:n]...))
			native.PutUint32(b[at+8:], sum)
			at += 12 + (n+3)/4*4
		}
	}
	return b
}

// workerFile is the bytes of a live worker's file in dir, up to the end of its cells.
func workerFile(f *testing.F, dir, counter string) []byte {
	f.Helper()
	s, err := worker.New(dir, worker.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	with := worker.With(s)
	with.NewCounter(prometheus.CounterOpts{Name: counter, Help: "Things."}).Add(3)
	with.WithMode(worker.Latest).NewGauge(prometheus.GaugeOpts{Name: "latest", Help: "A time."}).Set(4)
	paths, err := filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
	if err != nil || len(paths) != 1 {
		f.Fatal(paths, err)
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		f.Fatal(err)
	}
	return bytes.TrimRight(b, "\x00")
}

// seeds are files of all kinds.
func seeds(f *testing.F) [][]byte {
	counter := append(native.AppendUint32(make([]byte, 8), 17), `["x","x",{},"h"] `...)
	counter = append(append(counter, bytes.Repeat([]byte(" "), 3)...), make([]byte, 16)...)
	native.PutUint32(counter, uint32(len(counter)))
	return [][]byte{workerFile(f, f.TempDir(), "other_total"), counter, aggregate.NewArchive().Encode(), nil, []byte("text")}
}

func writeAt(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Property: check ends on any file, says the same twice, takes memory in proportion
// to the file, and where it finds nothing dump finds nothing either.
func FuzzCheck(f *testing.F) {
	dir := f.TempDir()
	for _, b := range seeds(f) {
		for i := range fuzzNames {
			f.Add(b, uint8(i), i%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, name uint8, repair bool) {
		if repair {
			b = repaired(b)
		}
		path := filepath.Join(dir, filepath.Base(fuzzNames[int(name)%len(fuzzNames)]))
		writeAt(t, path, b)
		defer os.Remove(path)
		var found []error
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found = faults(path)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20+uint64(4000*len(b)) {
			t.Fatalf("%d bytes allocated for %d", n, len(b))
		}
		if again := faults(path); fmt.Sprint(again) != fmt.Sprint(found) {
			t.Fatalf("%v\nthen %v", found, again)
		}
		var said bytes.Buffer
		if text := dumped(t, &said, path); said.Len() > 0 && len(found) == 0 {
			t.Fatalf("check finds nothing, dump %s\n%s", said.String(), text)
		}
	})
}

// dumped is what dump prints of a path. It must be a valid exposition.
func dumped(t *testing.T, said io.Writer, path string) []byte {
	t.Helper()
	in := newInput(false, true, nil)
	in.errors = said
	defer in.close()
	in.add(t.Context(), path)
	r, err := aggregate.NewMerger(nil).Merge(in.sources)
	if err != nil {
		in.fail(err)
	}
	var text, again bytes.Buffer
	if err := writeText(&text, r); err != nil {
		t.Fatal(err)
	}
	if err := fixture.Valid(text.Bytes()); err != nil {
		t.Fatalf("%v:\n%s", err, text.Bytes())
	}
	if err := writeJSON(&again, r); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// Property: dump of a directory of any files is a valid exposition, the same twice,
// and has the good worker among them as it is.
func FuzzDump(f *testing.F) {
	dir := f.TempDir()
	_ = workerFile(f, dir, "good_total")
	all := seeds(f)
	for i, b := range all {
		for name := range fuzzNames {
			f.Add(b, uint8(name), all[(i+name)%len(all)], uint8(name+i), i%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, a []byte, nameA uint8, b []byte, nameB uint8, repair bool) {
		if repair {
			a, b = repaired(a), repaired(b)
		}
		for i, content := range [][]byte{a, b} {
			path := filepath.Join(dir, fuzzNames[int([]uint8{nameA, nameB}[i])%len(fuzzNames)])
			writeAt(t, path, content)
			defer os.Remove(path)
		}
		defer os.Remove(filepath.Join(dir, directory.HiddenName))
		first, again := dumped(t, io.Discard, dir), dumped(t, io.Discard, dir)
		if !bytes.Equal(first, again) {
			t.Fatalf("%s\nthen\n%s", first, again)
		}
		if !bytes.Contains(append([]byte("\n"), first...), []byte("\ngood_total 3\n")) {
			t.Fatalf("the good worker is not there:\n%s", first)
		}
	})
}
