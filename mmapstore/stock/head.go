//go:build unix

package stock

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// Head is what the beginning of a file says.
type Head struct {
	Sound bool // it may be a client's
	Empty bool // nothing was written yet
}

// headRead is how much of a file is read to learn its head: more than most first
// keys take.
const headRead = 512

// Look reads how much of the file is used and its first key, by which the client
// is known, and so what part of the name is the pid. It parses nothing else.
func (r *Reader) Look() (Head, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lookAt()
}

func (r *Reader) lookAt() (Head, error) {
	b, err := r.readHead(headRead)
	if err != nil {
		return Head{}, err
	}
	size, err := r.cells.Stat()
	if err != nil {
		return Head{}, err
	}
	used := int64(nothing)
	if len(b) >= lengthSize {
		used = int64(binary.NativeEndian.Uint32(b))
	}
	const firstKey = headerSize + lengthSize
	switch {
	case used == nothing || used == headerSize:
		return Head{Sound: size == 0 || len(b) >= lengthSize, Empty: true}, nil
	case len(b) < firstKey || used > size:
		return Head{}, nil
	}
	n := int64(binary.NativeEndian.Uint32(b[headerSize:]))
	if n == 0 || n >= used {
		return Head{}, nil
	}
	if end := firstKey + n; r.parsed == 0 && n <= maxKey {
		if end > int64(len(b)) {
			if b, err = r.readHead(end); err != nil {
				return Head{}, err
			}
		}
		if int64(len(b)) < end { // cut since
			return Head{}, nil
		}
		r.met = r.format.Decode(b[firstKey:end], &Key{}) == nil // or Refresh says what is wrong with it
	}
	return Head{Sound: true}, nil
}

// readHead reads the first n bytes, or as many as there are.
func (r *Reader) readHead(n int64) ([]byte, error) {
	if r.closed {
		return nil, os.ErrClosed
	}
	b := make([]byte, n)
	got, err := r.f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:got], err
}
