// Package wire takes apart the bytes of promfold's own files.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrMalformed means that a length, offset, count or name breaks the
// format.
var ErrMalformed = errors.New("malformed")

// Decoder takes values off the front of a byte slice. Its first error sticks:
// after it every call returns zero, so callers check once, at the end. All
// bytes that come from a file go through it. Numbers are in the byte order of
// the machine, for which each file has a mark.
type Decoder struct {
	B   []byte // what is left
	Err error  // ErrMalformed once something did not fit
}

// Bytes takes n bytes, without copying them; nil after an error.
func (d *Decoder) Bytes(n int) []byte {
	if d.Err != nil {
		return nil
	}
	if n < 0 || n > len(d.B) {
		d.Err, d.B = ErrMalformed, nil
		return nil
	}
	p := d.B[:n:n]
	d.B = d.B[n:]
	return p
}

// U8 takes a byte.
func (d *Decoder) U8() uint8 {
	if p := d.Bytes(1); p != nil {
		return p[0]
	}
	return 0
}

// U16 takes two bytes.
func (d *Decoder) U16() uint16 {
	if p := d.Bytes(2); p != nil {
		return binary.NativeEndian.Uint16(p)
	}
	return 0
}

// LittleU16 takes two bytes, little endian on every platform: the lengths inside
// a label set, whose encoding is a map key.
func (d *Decoder) LittleU16() uint16 {
	if p := d.Bytes(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

// U32 takes four bytes.
func (d *Decoder) U32() uint32 {
	if p := d.Bytes(4); p != nil {
		return binary.NativeEndian.Uint32(p)
	}
	return 0
}

// U64 takes eight bytes.
func (d *Decoder) U64() uint64 {
	if p := d.Bytes(8); p != nil {
		return binary.NativeEndian.Uint64(p)
	}
	return 0
}

// F64 takes an IEEE 754 double.
func (d *Decoder) F64() float64 { return math.Float64frombits(d.U64()) }

// Str takes a u16 length and copies that many bytes.
func (d *Decoder) Str() string { return string(d.Bytes(int(d.U16()))) }
