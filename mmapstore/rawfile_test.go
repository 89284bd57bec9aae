package mmapstore

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// rawFile makes the bytes of a file by hand, out of docs/format.md and without
// the writer, so that it can break each rule by itself.
type rawFile struct {
	header    []byte // page 0, checksum set by bytes
	published uint64 // 0: where the records end
	schema    []byte // from offset 4096
	cells     []byte // from offset 65536
	at        int64  // offset of the record that is damaged
}

var native = binary.NativeEndian

func newRawFile() *rawFile {
	h := make([]byte, 4096)
	copy(h, "\x89PFMFILE")
	native.PutUint32(h[8:], 0x01020304)
	native.PutUint16(h[12:], 1)
	copy(h[16:], "0123456789abcdef")
	native.PutUint16(h[80:], 3)
	copy(h[82:], "web")
	return &rawFile{header: h}
}

func (f *rawFile) bytes() []byte {
	native.PutUint32(f.header[252:], crc32.Checksum(f.header[:252], crc32.MakeTable(crc32.Castagnoli)))
	if f.published == 0 {
		f.published = uint64(f.end())
	}
	native.PutUint64(f.header[256:], f.published)
	b := make([]byte, 2*65536)
	copy(b, f.header)
	copy(b[4096:65536], f.schema)
	copy(b[65536:], f.cells)
	return b
}

// end is where the next record goes.
func (f *rawFile) end() int64 { return 4096 + int64(len(f.schema)) }

// frame appends a record whose header says what it likes.
func (f *rawFile) frame(n uint32, kind, zero uint16, sum uint32, body []byte) {
	f.at = f.end()
	b := native.AppendUint32(nil, n)
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, zero)
	b = native.AppendUint32(b, sum)
	b = append(b, body...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	f.schema = append(f.schema, b...)
}

func (f *rawFile) record(kind uint16, body []byte) {
	f.frame(uint32(len(body)), kind, 0, rawSum(kind, body), body)
}

func rawSum(kind uint16, body []byte) uint32 {
	return crc32.Checksum(append(native.AppendUint16(nil, kind), body...), crc32.MakeTable(crc32.Castagnoli))
}

func rawString(b []byte, s string) []byte {
	return append(native.AppendUint16(b, uint16(len(s))), s...)
}

// rawFamily is the body of a family record.
func rawFamily(typ, mode byte, name, help string, bounds ...float64) []byte {
	b := rawString([]byte{typ, mode}, name)
	b = rawString(rawString(b, help), "")
	b = native.AppendUint32(b, uint32(len(bounds)))
	for _, v := range bounds {
		b = native.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// rawLabels encodes names and values in the order given.
func rawLabels(pairs ...string) []byte {
	var b []byte
	for _, s := range pairs {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b
}

// rawSeries is the body of a series record.
func rawSeries(family uint32, cells uint64, labels []byte) []byte {
	b := native.AppendUint32(nil, family)
	b = native.AppendUint64(b, 1e9)
	b = native.AppendUint64(b, cells)
	return append(b, labels...)
}

// series adds a series of the family, with values in fresh cells.
func (f *rawFile) series(family uint32, labels []byte, words ...uint64) {
	f.record(2, rawSeries(family, f.place(words...), labels))
}

// place puts words into fresh cells.
func (f *rawFile) place(words ...uint64) uint64 {
	off := 65536 + uint64(len(f.cells))
	for _, w := range words {
		f.cells = native.AppendUint64(f.cells, w)
	}
	return off
}

func rawTombstone(series uint32, life uint64) []byte {
	return native.AppendUint64(native.AppendUint32(nil, series), life)
}

// around is a file with a good series before and behind what damage adds.
func around(damage func(f *rawFile)) *rawFile {
	f := newRawFile()
	f.record(1, rawFamily(2, 0, "hits_total", "Hits."))
	f.record(1, rawFamily(3, 5, "temp", ""))
	f.record(1, rawFamily(4, 0, "wait_seconds", "", 0.5, 1))
	f.series(0, rawLabels("at", "before"), 11, 0)
	if damage != nil {
		damage(f)
	}
	at := f.at
	f.series(0, rawLabels("at", "behind"), 22, 0)
	f.at = at
	return f
}

func writeFile(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker-1-raw.pfm")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
