//go:build unix

package exporter_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

const (
	tebibyte = int64(1) << 40
	nativeAt = "worker-1-0011223344556677.pfm"
	stockAt  = "counter_5000001.db"
	rubyAt   = "metric_x___5000001.bin"
)

// claims is a stock client's file of two good entries that claims to use so many
// bytes, and then b.
func claims(used uint32, name string, b ...byte) []byte {
	file := appendEntry(appendEntry(make([]byte, 8), name, key(name), 1), name, more(name), 1)
	file = append(file, b...)
	native.PutUint32(file, used)
	return file
}

// key is a key as the file's client writes it.
func key(name string) []byte {
	if name == rubyAt {
		return []byte("a=b")
	}
	return []byte(`["evil_total", "evil_total", {}, ""]`)
}

// more is another key.
func more(name string) []byte {
	if name == rubyAt {
		return []byte("a=c")
	}
	return []byte(`["more_total", "more_total", {}, ""]`)
}

// longKey is a file with an entry whose key has n bytes between two good ones.
func longKey(name string, n int) []byte {
	b := appendEntry(make([]byte, 8), name, key(name), 1)
	b = appendEntry(b, name, bytes.Repeat([]byte("k"), n), 1)
	return appendEntry(b, name, more(name), 1)
}

func entryWith(length uint32) []byte {
	return append(native.AppendUint32(nil, length), make([]byte, 60)...)
}

// Property: sizes, lengths and offsets that are lies, or true and absurd, cost the
// good workers nothing, and a scrape no more memory than an honest file would; the
// file is counted by the kind of its lie.
func TestHostileSizes(t *testing.T) {
	const label64M = 64 << 20
	for name, row := range map[string]struct {
		file   string
		b      []byte
		size   int64 // 0: of b
		reason string
	}{
		"native, sparse":                     {nativeAt, counters(1).bytes(), tebibyte, ""},
		"native, all of it published":        {nativeAt, (&rawNative{published: uint64(tebibyte)}).bytes(), tebibyte, "limit"},
		"native, holes published":            {nativeAt, (&rawNative{published: 1 << 29}).bytes(), tebibyte, "checksum"},
		"native, published beyond all":       {nativeAt, (&rawNative{published: math.MaxUint64 - 3}).bytes(), 0, "truncated"},
		"native, published negative":         {nativeAt, (&rawNative{published: 1 << 63}).bytes(), tebibyte, "truncated"},
		"native, cells at the end":           {nativeAt, counters(1).record(2, rawSeries(0, uint64(tebibyte)-16, "")).bytes(), tebibyte, "truncated"},
		"native, cells overflow 64 bits":     {nativeAt, counters(1).record(2, rawSeries(0, math.MaxUint64-7, "")).bytes(), 0, "truncated"},
		"native, cells overflow 32 bits":     {nativeAt, counters(1).record(2, rawSeries(0, 1<<32-8, "")).bytes(), tebibyte, "limit"},
		"native, cells negative":             {nativeAt, counters(1).record(2, rawSeries(0, 1<<63, "")).bytes(), tebibyte, "truncated"},
		"native, family overflows":           {nativeAt, counters(1).record(2, rawSeries(math.MaxUint32, 65536, "")).bytes(), 0, "malformed"},
		"native, label of 64 MiB":            {nativeAt, counters(1).frame(label64M, 2, rawSeries(0, 65536, "")).bytes(), 2 * label64M, "malformed"},
		"native, record of 4 GiB":            {nativeAt, counters(1).frame(math.MaxUint32, 2, nil).bytes(), tebibyte, "malformed"},
		"native, next chunk overflows":       {nativeAt, counters(1).record(4, native.AppendUint64(nil, math.MaxUint64&^65535)).bytes(), 0, "malformed"},
		"stock, sparse":                      {stockAt, claims(uint32(len(claims(0, stockAt))), stockAt), tebibyte, ""},
		"stock, all of it used":              {stockAt, claims(math.MaxUint32, stockAt), tebibyte, "limit"},
		"stock, more used than there is":     {stockAt, claims(math.MaxUint32, stockAt), 0, "truncated"},
		"stock, used negative":               {stockAt, claims(1<<31, stockAt), tebibyte, "limit"},
		"stock, key of 4 GiB":                {stockAt, claims(1<<20, stockAt, entryWith(math.MaxUint32)...), tebibyte, "limit"},
		"stock, key overflows when padded":   {stockAt, claims(1<<20, stockAt, entryWith(math.MaxUint32-7)...), tebibyte, "limit"},
		"stock, key negative":                {stockAt, claims(1<<20, stockAt, entryWith(1<<31)...), tebibyte, "limit"},
		"stock, key of 64 MiB":               {stockAt, longKey(stockAt, 64<<20), 0, "limit"},
		"stock, key just too long":           {stockAt, longKey(stockAt, 64<<10+1), 0, "limit"},
		"ruby, sparse":                       {rubyAt, claims(uint32(len(claims(0, rubyAt))), rubyAt), tebibyte, ""},
		"ruby, all of it used":               {rubyAt, claims(math.MaxUint32, rubyAt), tebibyte, "limit"},
		"ruby, key of 64 MiB":                {rubyAt, longKey(rubyAt, 64<<20), 0, "limit"},
		"ruby, key of 4 GiB":                 {rubyAt, claims(1<<20, rubyAt, entryWith(math.MaxUint32-3)...), tebibyte, "limit"},
		"archive, sparse":                    {".promfold/archive.pfa", nil, tebibyte, "native"},
		"archive, a gigabyte of nothing":     {".promfold/archive.pfa", nil, 1 << 30, "native"},
		"archive, a gigabyte of payload":     {".promfold/archive.pfa", archiveHeader(1<<30 - 64), 1 << 30, "checksum"},
		"archive, with room for a tebibyte":  {".promfold/archive.pfa", aggregate.NewArchive().Encode(), tebibyte, ""},
		"archive, two gigabytes of payload":  {".promfold/archive.pfa", archiveHeader(2 << 30), 4 << 30, "limit"},
		"archive, payload overflows":         {".promfold/archive.pfa", archiveHeader(math.MaxUint64), 0, "limit"},
		"archive, cut":                       {".promfold/archive.pfa", archiveHeader(1000), 0, "truncated"},
		"set aside, sparse":                  {".promfold/" + asideName, claims(math.MaxUint32, stockAt), tebibyte, "limit"},
		"native, a cell for all series":      {nativeAt, sameCell(1000).bytes(), 0, ""},
		"native, tombstones of what is none": {nativeAt, counters(1).record(3, native.AppendUint64(native.AppendUint32(nil, 1<<31), 65536)).bytes(), 0, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			goodWorkers(t, dir)
			path := filepath.Join(dir, row.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, row.b, 0o644); err != nil {
				t.Fatal(err)
			}
			if row.size > 0 && os.Truncate(path, row.size) != nil {
				t.Skipf("no sparse file of %d bytes here", row.size)
			}
			e := newExporter(t, dir)
			if n := allocated(func() { wantGood(t, e) }); n > 64<<20+2*uint64(len(row.b)) {
				t.Errorf("the scrape allocated %d MiB", n>>20)
			}
			n := 1.0
			if row.reason == "" {
				n = 0
			}
			wantErrors(t, e, row.reason, n)
			archiveOnce(t, dir)
			wantGood(t, e)
		})
	}
}

// sameCell is a native file of n series that all have the same cell.
func sameCell(n int) *rawNative {
	f := counters(1)
	for i := range n { // which must fit into one chunk of schema
		f.record(2, rawSeries(0, 65536, fmt.Sprintf("\x01\x00i\x04\x00%04d", i)))
	}
	return f
}

// archiveHeader is the header of an archive that tells how long its payload is.
func archiveHeader(payload uint64) []byte {
	b := make([]byte, 64)
	copy(b, "\x89PFMARCH")
	native.PutUint32(b[8:], 0x01020304)
	native.PutUint16(b[12:], 1)
	b[16], b[32] = 1, 1
	native.PutUint64(b[40:], payload)
	native.PutUint32(b[60:], castagnoli(b[:60]))
	return b
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Property: of a million families, or series, in one file as many are shown as the
// limits allow, beside the good workers, for memory in proportion.
func TestMillions(t *testing.T) {
	if testing.Short() {
		t.Skip("large files")
	}
	const million = 1_000_000
	for name, row := range map[string]struct {
		key    func(b []byte, i int) []byte
		shown  int
		reason string
		most   uint64 // bytes for each
	}{
		"families": {func(b []byte, i int) []byte { return fmt.Appendf(b, `["f%d","f%d",{},""]`, i, i) }, mmapstore.MaxFamilies, "limit", 2000},
		"series":   {func(b []byte, i int) []byte { return fmt.Appendf(b, `["f","f",{"i":"%d"},""]`, i) }, million, "", 4000},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			goodWorkers(t, dir)
			b := make([]byte, 8, million*64)
			var k []byte
			for i := range million {
				k = row.key(k[:0], i)
				b = appendEntry(b, stockAt, k, 1)
			}
			if err := os.WriteFile(filepath.Join(dir, stockAt), b, 0o644); err != nil {
				t.Fatal(err)
			}
			e := newExporter(t, dir)
			var body []byte
			n := allocated(func() { body = get(e, "/metrics").Body.Bytes() })
			if shown := bytes.Count(body, []byte("\nf")); shown != row.shown {
				t.Errorf("%d are shown, want %d", shown, row.shown)
			}
			if n > row.most*million {
				t.Errorf("%d bytes were allocated for each", n/million)
			}
			t.Logf("%d bytes for each", n/million)
			n = allocated(func() { body = get(e, "/metrics").Body.Bytes() })
			t.Logf("%d bytes for each of the second scrape", n/million)
			for _, line := range goodLines {
				if !bytes.Contains(body, []byte("\n"+line+"\n")) {
					t.Errorf("no line %q", line)
				}
			}
			errors := 0.0
			if row.reason != "" {
				errors = 1
			}
			wantErrors(t, e, row.reason, errors)
		})
	}
}
