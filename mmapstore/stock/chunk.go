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
// keys from off on, where one begins.
func (one *known) matches(c *chunk, off int64) (bool, error) {
	items := one.index.items
	i, _ := slices.BinarySearchFunc(items, off, func(it item, off int64) int { return int(int64(it.off) - off) })
	for off < one.end {
		b, err := c.read(off, one.end)
		if err != nil {
			return false, err
		}
		n, passed := one.compare(b, off, items[i:])
		if n == 0 {
			return false, nil
		}
		off, i = off+n, i+passed
	}
	return true, nil
}

// compare holds the entries that are whole in b, which is the file from off on, to
// items. It returns how many bytes and items were passed, none if they differ.
func (one *known) compare(b []byte, off int64, items []item) (n int64, passed int) {
	raw := one.raw[off-headerSize:]
	for passed < len(items) {
		next := one.end - off
		if passed+1 < len(items) {
			next = int64(items[passed+1].off) - off
		}
		if next > int64(len(b)) {
			break
		}
		if key := next - int64(one.layout); !bytes.Equal(raw[n:key], b[n:key]) {
			return 0, 0
		}
		n = next
		passed++
	}
	return n, passed
}
