package stock

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/promfold/promfold/mmapstore"
)

// A file is the header, whose first 4 bytes say how far the file is used, and
// entries: u32 length of the key, key, spaces, value, and in files of newer
// clients a timestamp. All numbers are in the byte order of the machine.
const (
	headerSize = 8
	lengthSize = 4
	wordSize   = 8
	maxKey     = 64 << 10 // less than chunkSize: an entry fits into what is read at once
)

// layout is the size of what follows a key. A file has one of two.
type layout int

const (
	unknown layout = 0
	v8      layout = 8  // the value
	v16     layout = 16 // value and timestamp
)

// entry is one that was cut out of a file.
type entry struct {
	key   []byte // nil if it is too long
	value int    // where the value begins, counted from the entry's start
	size  int
}

// errShort means that an entry goes on behind the bytes at hand.
var errShort = errors.New("entry goes on")

// cut takes the entry at the front of b, of which it keeps slices. rest is how
// far entries go in the file, counted from b's front. Other errors than errShort
// are ErrMalformed, or ErrLimit for a key that is too long; then the entry has a
// size if it ends within rest, so that what is behind it can be read.
func (l layout) cut(b []byte, rest int64, frame Frame) (entry, error) {
	if rest < lengthSize {
		return entry{}, fmt.Errorf("%d bytes behind the last entry: %w", rest, mmapstore.ErrMalformed)
	}
	if len(b) < lengthSize {
		return entry{}, errShort
	}
	n := binary.NativeEndian.Uint32(b)
	end := lengthSize + int64(n) // of the key
	value := end
	if frame == PaddingApart {
		value += wordSize - end%wordSize
	}
	size := value + int64(l)
	switch {
	case n == 0 || value%wordSize != 0:
		return entry{}, fmt.Errorf("key of %d bytes: %w", n, mmapstore.ErrMalformed)
	case n > maxKey && size > rest:
		return entry{}, fmt.Errorf("key of %d bytes: %w", n, mmapstore.ErrLimit)
	case n > maxKey:
		return entry{size: int(size)}, fmt.Errorf("key of %d bytes: %w", n, mmapstore.ErrLimit)
	case size > rest:
		return entry{}, fmt.Errorf("an entry ends behind the last: %w", mmapstore.ErrMalformed)
	case size > int64(len(b)):
		return entry{}, errShort
	}
	e := entry{value: int(value), size: int(size)}
	for _, c := range b[end:value] {
		if c != ' ' {
			return entry{}, fmt.Errorf("padding of a key: %w", mmapstore.ErrMalformed)
		}
	}
	e.key = b[lengthSize:end:end]
	return e, nil
}
