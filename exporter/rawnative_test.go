//go:build unix

package exporter_test

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

var native = binary.NativeEndian

// rawNative makes the bytes of a native file by hand, out of docs/format.md, so
// that each number in it can be a lie.
type rawNative struct {
	id        byte
	published uint64 // 0: where the records end
	schema    []byte // from offset 4096
	cells     []byte // from offset 65536
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// counters is a file with a family evil_total and a series in honest cells.
func counters(id byte) *rawNative {
	f := &rawNative{id: id, cells: native.AppendUint64(nil, 1)}
	f.record(1, rawFamily(2, "evil_total"))
	f.record(2, rawSeries(0, 65536, ""))
	return f
}

func (f *rawNative) record(kind uint16, body []byte) *rawNative {
	return f.frame(uint32(len(body)), kind, body)
}

// frame is a record that may lie about its length.
func (f *rawNative) frame(n uint32, kind uint16, body []byte) *rawNative {
	sum := castagnoli(append(native.AppendUint16(nil, kind), body...))
	f.schema = native.AppendUint16(native.AppendUint32(f.schema, n), kind)
	f.schema = append(native.AppendUint32(native.AppendUint16(f.schema, 0), sum), body...)
	for len(f.schema)%4 != 0 {
		f.schema = append(f.schema, 0)
	}
	return f
}

func (f *rawNative) bytes() []byte {
	b := make([]byte, 65536, 65536+4096)
	copy(b, "\x89PFMFILE")
	native.PutUint32(b[8:], 0x01020304)
	native.PutUint16(b[12:], 1)
	b[16], b[31] = 0xee, f.id
	native.PutUint32(b[252:], castagnoli(b[:252]))
	if f.published == 0 {
		f.published = uint64(4096 + len(f.schema))
	}
	native.PutUint64(b[256:], f.published)
	copy(b[4096:], f.schema)
	return append(append(b, f.cells...), make([]byte, 4096-len(f.cells))...)
}

func rawFamily(typ byte, name string, bounds ...float64) []byte {
	b := native.AppendUint16([]byte{typ, 0}, uint16(len(name)))
	b = append(append(b, name...), 0, 0, 0, 0) // no help, no unit
	b = native.AppendUint32(b, uint32(len(bounds)))
	for _, v := range bounds {
		b = native.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func rawSeries(family uint32, cells uint64, labels string) []byte {
	b := native.AppendUint32(nil, family)
	b = native.AppendUint64(native.AppendUint64(b, 1e9), cells)
	return append(b, labels...)
}
