package stock

import (
	"bytes"
	"io"
	"slices"
)

// chunk is a part of a file that was read.
type chunk struct {
	f   io.ReaderAt
	b   []byte
	off int64
}

// chunkSize is how much of a file is read at once.
const chunkSize = 256 << 10

// read is the file from off on, as far as it was read or can be at once, up to
// limit. It is valid until the next call.
func (c *chunk) read(off, limit int64) ([]byte, error) {
	if len(c.b) > 0 && off == c.off {
		return c.b, nil
	}
	n := min(limit-off, chunkSize)
	if int64(cap(c.b)) < n {
		c.b = make([]byte, n)
	}
	c.b, c.off = c.b[:n], off
	if _, err := c.f.ReadAt(c.b, off); err != nil {
		c.b = c.b[:0]
		return nil, err
	}
	return c.b, nil
}

// matches reports whether a file, of the sibling's kin and length, has the same
// keys from off on, where one begins. b are its entries.
func (one *known) matches(b []byte, off int64) bool {
	items := one.index.items
	i, _ := slices.BinarySearchFunc(items, off, func(it item, off int64) int { return int(int64(it.off) - off) })
	for ; i < len(items); i++ {
		begin, end := int64(items[i].off), one.end
		if i+1 < len(items) {
			end = int64(items[i+1].off)
		}
		from, to := begin-headerSize, end-headerSize-int64(one.layout)
		if !bytes.Equal(one.raw[from:to], b[from:to]) {
			return false
		}
	}
	return true
}
