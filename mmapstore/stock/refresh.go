//go:build unix

package stock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/promfold/promfold/mmapstore"
)

// Refresh parses the entries that were appended since the last call. Its error
// joins a *mmapstore.CorruptError for every damaged place found so far, each
// time; what precedes damage, and what stands beside an entry that breaks a
// rule, is in use.
func (r *Reader) Refresh() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	used, err := r.used()
	if err != nil {
		return err
	}
	size, err := r.cells.Stat()
	if err != nil {
		return err
	}
	r.tail = damage{}
	limit := r.limit(used, size)
	r.empty = limit == 0 && r.tail.err == nil
	if err := r.parse(limit, used); err != nil {
		return err
	}
	if err := r.cells.Extend(); err != nil {
		return errors.Join(err, r.damage())
	}
	r.lay(r.cells.Words())
	return r.damage()
}

// nothing is what a file has used that has no header yet.
const nothing = 0

// used reads how far the file says that it is used.
func (r *Reader) used() (uint32, error) {
	var b [lengthSize]byte
	switch n, err := r.f.ReadAt(b[:], 0); {
	case err == nil:
		return binary.NativeEndian.Uint32(b[:]), nil
	case !errors.Is(err, io.EOF):
		return 0, fmt.Errorf("read the header of %s: %w", r.f.Name(), err)
	case n > 0:
		return 1, nil // no number that a client writes
	}
	return nothing, nil
}

// limit is how far entries may be read, 0 if there are none. What is wrong with
// used is noted. It never shrinks for one file: what was read of it once is good.
func (r *Reader) limit(used uint32, size int64) int64 {
	switch n := int64(used); {
	case n < r.end && r.end > headerSize:
		r.stop(0, fmt.Errorf("%d bytes in use, %d before: %w", n, r.end, mmapstore.ErrTruncated))
	case n == nothing || n == headerSize:
	case n < headerSize:
		r.stop(0, fmt.Errorf("%d bytes in use: %w", n, mmapstore.ErrMalformed))
	case n > size:
		r.stop(size, fmt.Errorf("%d bytes in use, the file has %d: %w", n, size, mmapstore.ErrTruncated))
		return size
	case n > mmapstore.MaxFileSize:
		r.stop(mmapstore.MaxFileSize, fmt.Errorf("%d bytes in use: %w", n, mmapstore.ErrLimit))
		return mmapstore.MaxFileSize
	default:
		return n
	}
	return 0
}

// stop notes why nothing is read from off on. The first reason counts.
func (r *Reader) stop(off int64, err error) {
	if r.tail.err == nil {
		r.tail = damage{off, err}
	}
}

// damage joins what is wrong with the file.
func (r *Reader) damage() error {
	var errs []error
	for _, list := range [][]damage{r.damages, r.plan.damages, {r.tail}} {
		for _, d := range list {
			if d.err != nil {
				errs = append(errs, &mmapstore.CorruptError{Path: r.f.Name(), Offset: d.off, Err: d.err})
			}
		}
	}
	return errors.Join(errs...)
}

// chunkSize is how much of a file is read at once.
const chunkSize = 256 << 10

// parse takes up the entries below limit.
func (r *Reader) parse(limit int64, used uint32) error {
	var b []byte
	for r.end < limit {
		n := min(limit-r.end, chunkSize)
		if int64(cap(b)) < n {
			b = make([]byte, n)
		}
		b = b[:n]
		if _, err := r.f.ReadAt(b, r.end); err != nil {
			if errors.Is(err, io.EOF) {
				r.stop(r.end, mmapstore.ErrTruncated)
				return nil
			}
			return fmt.Errorf("read %s: %w", r.f.Name(), err)
		}
		more := r.end+n < limit
		if r.layout == unknown && !r.findLayout(b, used, more) {
			return nil
		}
		if !r.takeAll(b, more) {
			return nil
		}
	}
	return nil
}

// findLayout tells how the file is laid out by its first entries.
func (r *Reader) findLayout(b []byte, used uint32, more bool) bool {
	r.layout = detect(b, int64(used)-headerSize, more, r.format)
	if r.layout == unknown {
		r.stop(headerSize, fmt.Errorf("no entries: %w", mmapstore.ErrMalformed))
		return false
	}
	r.loader.stride = int32(r.words())
	return true
}

// words is how many words each entry has in the vector of cells.
func (r *Reader) words() int {
	if r.layout == v16 && r.format.Traits().Timed {
		return 2
	}
	return 1
}

// takeAll takes up the entries that are whole in b, which begins at r.end. With
// more, the last one may go on behind it. false means that no more can be read.
func (r *Reader) takeAll(b []byte, more bool) bool {
	words := r.words()
	frame := r.format.Frame()
	var k Key
	for len(b) > 0 {
		e, err := r.layout.cut(b, frame)
		if errors.Is(err, errShort) {
			if more {
				return true
			}
			err = fmt.Errorf("an entry ends behind the last: %w", mmapstore.ErrMalformed)
		}
		if err == nil {
			err = r.take(e, words, &k)
		}
		if err != nil {
			r.stop(r.end, err)
			return false
		}
		b = b[e.size:]
		r.end += int64(e.size)
		r.parsed += int64(e.size)
	}
	return true
}

// take takes up an entry. An error means that nothing behind it can be trusted.
func (r *Reader) take(e entry, words int, k *Key) error {
	k.reset()
	err := r.format.Decode(e.key, k)
	if errors.Is(err, ErrKey) {
		return err
	}
	off := uint32(r.end)
	if err == nil {
		var word int
		if word, err = r.cells.Add(uint64(off), uint64(off)+uint64(e.value), words); err != nil {
			return err
		}
		err = r.index.add(off, word, k)
	}
	if err != nil && len(r.damages) < maxDamages {
		r.damages = append(r.damages, damage{r.end, err})
	}
	return nil
}

func (k *Key) reset() { *k = Key{Labels: k.Labels[:0]} }
