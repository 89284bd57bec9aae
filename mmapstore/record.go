package mmapstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"unicode/utf8"

	"github.com/promfold/promfold/internal/wire"
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
func decodeRecord(d *wire.Decoder) (kind uint16, body []byte, err error) {
	n := d.U32()
	kind = d.U16()
	zero := d.U16()
	sum := d.U32()
	if d.Err != nil {
		return 0, nil, d.Err
	}
	if n > maxRecord || zero != 0 {
		return 0, nil, fmt.Errorf("record of %d bytes: %w", n, ErrMalformed)
	}
	body = d.Bytes(int(n))
	d.Bytes(roundUp(int(n), recordAlign) - int(n))
	if d.Err != nil {
		return 0, nil, d.Err
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
	d := wire.Decoder{B: body}
	f := Family{Type: Type(d.U8()), Mode: Mode(d.U8())}
	f.Name, f.Help, f.Unit = d.Str(), d.Str(), d.Str()
	n := d.U32()
	if n > MaxBounds {
		return f, fmt.Errorf("%d bucket bounds: %w", n, ErrLimit)
	}
	for range n {
		f.Bounds = append(f.Bounds, d.F64())
	}
	if d.Err != nil {
		return f, d.Err
	}
	err := f.Validate()
	if errors.Is(err, ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrLimit, err)
	}
	return f, err
}

// Validate holds a family to the rules that readers and writers share: bounds
// ascend, names are UTF-8, type and mode agree, nothing is over the caps.
func (f *Family) Validate() error {
	switch {
	case len(f.Name) > MaxName || len(f.Help) > MaxHelp || len(f.Unit) > MaxName || len(f.Bounds) > MaxBounds:
		return fmt.Errorf("name, help, unit or bounds of family %.40q: %w", f.Name, ErrTooLarge)
	case f.Name == "" || !utf8.ValidString(f.Name):
		return fmt.Errorf("family name %.40q: %w", f.Name, ErrMalformed)
	case !utf8.ValidString(f.Help) || !utf8.ValidString(f.Unit):
		return fmt.Errorf("help or unit of family %q: %w", f.Name, ErrMalformed)
	case !f.Type.Valid() || !f.Mode.Valid() || f.Type.Cumulative() != (f.Mode == ModeNone):
		return fmt.Errorf("family %q of %v, mode %v: %w", f.Name, f.Type, f.Mode, ErrMalformed)
	case len(f.Bounds) > 0 && f.Type != Histogram:
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
	d := wire.Decoder{B: body}
	s := seriesRecord{family: d.U32(), created: int64(d.U64()), offset: d.U64()}
	if d.Err != nil {
		return s, d.Err
	}
	var err error
	s.labels, err = ParseLabels(d.B)
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
	d := wire.Decoder{B: body}
	t := tombstoneRecord{series: d.U32(), offset: d.U64()}
	return t, d.Err
}

func roundUp[T int | int64](n, unit T) T { return (n + unit - 1) / unit * unit }
