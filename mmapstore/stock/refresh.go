//go:build unix

package stock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/promfold/promfold/mmapstore"
)

// Refresh parses the entries that were appended since the last call. Its error
// joins a *mmapstore.CorruptError for every damaged place found so far, each
// time, of many the first ones; what precedes damage, and what stands beside an
// entry that breaks a rule, is in use.
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
	if err := r.parse(limit, int64(used)); err != nil {
		return err
	}
	if err := r.cells.Extend(); err != nil {
		return errors.Join(err, r.damage())
	}
	r.lay(r.cells.Words())
	r.offer(limit)
	return r.damage()
}

// nothing is what a file has used that has no header yet.
const nothing = 0

// used reads how far the file says that it is used. Old clients store zero before
// each number, so zero is looked at again if there was more before.
func (r *Reader) used() (uint32, error) {
	for range looks {
		switch n, err := r.f.ReadAt(r.head[:], 0); {
		case err == nil:
			if used := binary.NativeEndian.Uint32(r.head[:]); used != nothing || r.end == headerSize {
				return used, nil
			}
		case !errors.Is(err, io.EOF):
			return 0, fmt.Errorf("read the header of %s: %w", r.f.Name(), err)
		case n > 0:
			return 1, nil // no number that a client writes
		}
	}
	return nothing, nil
}

// limit is how far entries may be read, 0 if there are none. What is wrong with
// used is noted. It never shrinks for one file: what was read of it once is good.
func (r *Reader) limit(used uint32, size int64) int64 {
	n := int64(used)
	if r.settleLife(n, size); r.life != asBefore {
		r.stop(0, fmt.Errorf("%d bytes in use, and others than the %d that were read: %w", n, r.end, mmapstore.ErrTruncated))
		return 0
	}
	switch {
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
func (r *Reader) damage() error { return joined(r.f.Name(), &r.damages, &r.plan.damages, r.tail) }

// parse takes up the entries below limit.
func (r *Reader) parse(limit, used int64) error {
	if r.end > limit || r.end == limit && !r.overruled {
		return nil
	}
	if r.decodeFirst() && r.adopt(limit) {
		return nil
	}
	if r.end == limit {
		return nil
	}
	buffer, free := r.siblings.buffer()
	c := &chunk{f: r.f, b: (*buffer)[:0]}
	defer func() {
		*buffer = c.b
		free()
	}()
	if r.layout == unknown {
		b, err := c.read(r.end, limit)
		if err != nil {
			return r.unread(err)
		}
		if r.layout, err = detect(&window{r.f, b, r.end}, limit, used, r.format); r.layout == unknown {
			return r.unread(err)
		}
	}
	r.own()
	if err := r.parseOn(c, limit); err != nil {
		return err
	}
	r.join(limit)
	return nil
}

// decodeFirst decodes the first key, by which the client is known, unless a look has
// or entries were parsed. It reports whether that could be done.
func (r *Reader) decodeFirst() bool {
	if r.met || r.parsed > 0 {
		return true
	}
	_, err := r.lookAt()
	return err == nil && r.met
}

// parseOn takes up the entries below limit, which are like no sibling's.
func (r *Reader) parseOn(c *chunk, limit int64) error {
	for begun := false; r.end < limit; begun = true {
		b, err := c.read(r.end, limit)
		if err != nil {
			return r.unread(err)
		}
		if !begun {
			r.expect(limit)
			r.reserve(b, limit)
		}
		begin := r.end
		more := r.takeAll(b, limit)
		r.collect(b[:min(r.end-begin, int64(len(b)))]) // an entry that is too long ends behind
		if !more {
			return nil
		}
	}
	return nil
}

// unread notes why the file cannot be read on from where we are. What may be
// otherwise the next time is returned.
func (r *Reader) unread(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		r.stop(r.end, mmapstore.ErrTruncated)
	case errors.Is(err, mmapstore.ErrMalformed), errors.Is(err, mmapstore.ErrLimit):
		r.stop(r.end, err)
	default:
		return fmt.Errorf("read %s: %w", r.f.Name(), err)
	}
	return nil
}

// words is how many words each entry has in the vector of cells.
func (r *Reader) words(l layout) int {
	if l == v16 && r.format.Traits().Timed {
		return 2
	}
	return 1
}

// reserve makes room for the entries up to limit, if they are like the first one
// in b. Growing step by step would cost several times as much.
func (r *Reader) reserve(b []byte, limit int64) {
	e, err := r.layout.cut(b, limit-r.end, r.format.Frame())
	if err != nil {
		return
	}
	// A file may claim more than it takes on disk.
	n := min(limit-r.end, r.cells.Held()) / int64(e.size)
	n = max(min(n, int64(mmapstore.MaxSeries-len(r.index.items))), 1)
	r.cells.Reserve(int(n))
	r.index.reserve(int(n), parted(r.format.Traits().Type) || r.format.Traits().Sparse)
}

// takeAll takes up the entries that are whole in b, which begins at r.end. The
// last one may go on behind it. false means that no more can be read.
func (r *Reader) takeAll(b []byte, limit int64) bool {
	words, frame := r.words(r.layout), r.format.Frame()
	defer func() { r.lastEntry.b = bytes.Clone(r.lastEntry.b) }() // b goes
	var k Key
	for len(b) > 0 {
		e, err := r.layout.cut(b, limit-r.end, frame)
		switch {
		case err == nil:
			if err = r.takeUp(e, words, &k); err != nil {
				r.stop(r.end, err)
				return false
			}
			r.remember(b[:lengthSize+len(e.key)])
			r.parsed += int64(e.size)
		case errors.Is(err, errShort):
			return true
		case e.size > 0: // too long, but we know where the next one begins
			r.damages.add(r.end, err)
		default:
			r.stop(r.end, err)
			return false
		}
		r.end += int64(e.size)
		b = b[min(e.size, len(b)):]
	}
	return true
}

// takeUp takes up an entry. An error means that nothing behind it can be trusted.
func (r *Reader) takeUp(e entry, words int, k *Key) error {
	k.reset()
	err := r.format.Decode(e.key, k)
	if errors.Is(err, ErrKey) {
		return err
	}
	off := uint32(r.end)
	if err == nil {
		var word int
		if word, err = r.cells.AddPlace(uint64(off), uint64(off)+uint64(e.value), words); err != nil {
			return err
		}
		if err = r.index.add(off, word, k); err != nil {
			r.cells.DropPlace() // or each Load would read it
		}
	}
	if err != nil {
		r.damages.add(r.end, err)
	}
	return nil
}

func (k *Key) reset() { *k = Key{Labels: k.Labels[:0]} }
