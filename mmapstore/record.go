package mmapstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"unicode/utf8"
)

// encodeRecord frames a record body: see the layout of schema records.
func encodeRecord(kind uint16, body []byte) []byte {
	size := recordHeaderSize + roundUp(len(body), recordAlign)
	b := make([]byte, size)
	o := binary.NativeEndian
	o.PutUint32(b, uint32(len(body)))
	o.PutUint16(b[4:], kind)
	copy(b[recordHeaderSize:], body)
	o.PutUint32(b[8:], recordSum(kind, body))
	return b
}

func recordSum(kind uint16, body []byte) uint32 {
	var k [2]byte
	binary.NativeEndian.PutUint16(k[:], kind)
	return crc32.Update(crc32.Checksum(k[:], castagnoli), castagnoli, body)
}

// decodeRecord takes the next record off d. An error here means that what
// follows cannot be found either.
func decodeRecord(d *decoder) (kind uint16, body []byte, err error) {
	n := d.u32()
	kind = d.u16()
	zero := d.u16()
	sum := d.u32()
	if d.err != nil {
		return 0, nil, d.err
	}
	if n > maxRecord || zero != 0 {
		return 0, nil, fmt.Errorf("record of %d bytes: %w", n, ErrMalformed)
	}
	body = d.bytes(int(n))
	d.bytes(roundUp(int(n), recordAlign) - int(n))
	if d.err != nil {
		return 0, nil, d.err
	}
	if recordSum(kind, body) != sum {
		return 0, nil, ErrChecksum
	}
	return kind, body, nil
}

func appendString(b []byte, s string) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// Family: u8 type, u8 mode, name, help, unit, u32 number of bounds, f64 bounds.
func encodeFamily(f *Family) []byte {
	b := []byte{byte(f.Type), byte(f.Mode)}
	b = appendString(b, f.Name)
	b = appendString(b, f.Help)
	b = appendString(b, f.Unit)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(f.Bounds)))
	for _, bound := range f.Bounds {
		b = binary.NativeEndian.AppendUint64(b, math.Float64bits(bound))
	}
	return b
}

func decodeFamily(body []byte) (Family, error) {
	d := decoder{b: body}
	f := Family{Type: Type(d.u8()), Mode: Mode(d.u8())}
	f.Name, f.Help, f.Unit = d.str(), d.str(), d.str()
	n := int(d.u32())
	if n > MaxBounds {
		return f, fmt.Errorf("%d bucket bounds: %w", n, ErrLimit)
	}
	for range n {
		f.Bounds = append(f.Bounds, d.f64())
	}
	if d.err != nil {
		return f, d.err
	}
	return f, f.validate()
}

// validate holds a family to the rules that readers and writers share.
func (f *Family) validate() error {
	switch {
	case f.Name == "" || len(f.Name) > MaxName || !utf8.ValidString(f.Name):
		return fmt.Errorf("family name %.40q: %w", f.Name, ErrMalformed)
	case len(f.Help) > MaxHelp || len(f.Unit) > MaxName:
		return fmt.Errorf("help or unit of family %q: %w", f.Name, ErrTooLarge)
	case !utf8.ValidString(f.Help) || !utf8.ValidString(f.Unit):
		return fmt.Errorf("help or unit of family %q: %w", f.Name, ErrMalformed)
	case !f.Type.Valid() || !f.Mode.Valid() || f.Type.Cumulative() != (f.Mode == ModeNone):
		return fmt.Errorf("family %q of %v, mode %v: %w", f.Name, f.Type, f.Mode, ErrMalformed)
	case len(f.Bounds) > MaxBounds || (len(f.Bounds) > 0 && f.Type != Histogram):
		return fmt.Errorf("bounds of family %q: %w", f.Name, ErrMalformed)
	}
	for i, bound := range f.Bounds {
		if math.IsNaN(bound) || math.IsInf(bound, +1) || (i > 0 && f.Bounds[i-1] >= bound) {
			return fmt.Errorf("bounds of family %q: %w", f.Name, ErrMalformed)
		}
	}
	return nil
}

// seriesRecord is the body of a series record: u32 family, i64 created, u64
// file offset of the cells, then the labels to the end.
type seriesRecord struct {
	family  uint32
	created int64
	offset  uint64
	labels  Labels
}

func (s *seriesRecord) encode() []byte {
	b := binary.NativeEndian.AppendUint32(nil, s.family)
	b = binary.NativeEndian.AppendUint64(b, uint64(s.created))
	b = binary.NativeEndian.AppendUint64(b, s.offset)
	return append(b, s.labels...)
}

func decodeSeries(body []byte) (seriesRecord, error) {
	d := decoder{b: body}
	s := seriesRecord{family: d.u32(), created: int64(d.u64()), offset: d.u64()}
	if d.err != nil {
		return s, d.err
	}
	var err error
	s.labels, err = parseLabels(d.b)
	return s, err
}

// tombstoneRecord is the body of a tombstone: u32 series, u64 file offset of
// its life cell.
type tombstoneRecord struct {
	series uint32
	offset uint64
}

func (t *tombstoneRecord) encode() []byte {
	b := binary.NativeEndian.AppendUint32(nil, t.series)
	return binary.NativeEndian.AppendUint64(b, t.offset)
}

func decodeTombstone(body []byte) (tombstoneRecord, error) {
	d := decoder{b: body}
	t := tombstoneRecord{series: d.u32(), offset: d.u64()}
	return t, d.err
}

func roundUp[T int | int64](n, unit T) T { return (n + unit - 1) / unit * unit }
