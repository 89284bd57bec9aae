package mmapstore

import (
	"encoding/binary"
	"math"
)

// decoder takes values off the front of a byte slice. Its first error sticks:
// after it every call returns zero, so callers check once, at the end. All
// bytes that come from a file go through it.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) bytes(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n < 0 || n > len(d.b) {
		d.err, d.b = ErrMalformed, nil
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u8() uint8 {
	if p := d.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if p := d.bytes(2); p != nil {
		return binary.NativeEndian.Uint16(p)
	}
	return 0
}

// littleU16 reads the lengths inside Labels, whose encoding is a map key and
// so the same on every platform.
func (d *decoder) littleU16() uint16 {
	if p := d.bytes(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if p := d.bytes(4); p != nil {
		return binary.NativeEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if p := d.bytes(8); p != nil {
		return binary.NativeEndian.Uint64(p)
	}
	return 0
}

func (d *decoder) f64() float64 { return math.Float64frombits(d.u64()) }

// str reads a u16 length and copies that many bytes.
func (d *decoder) str() string { return string(d.bytes(int(d.u16()))) }
