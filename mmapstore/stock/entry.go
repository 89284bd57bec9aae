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
	key   []byte
	value int // where the value begins, counted from the entry's start
	size  int
}

// errShort means that an entry goes on behind the bytes at hand.
var errShort = errors.New("entry goes on")

// cut takes the entry at the front of b, of which it keeps slices. Other errors
// than errShort are ErrMalformed or ErrLimit.
func (l layout) cut(b []byte, frame Frame) (entry, error) {
	if len(b) < lengthSize {
		return entry{}, errShort
	}
	n := binary.NativeEndian.Uint32(b)
	if n == 0 {
		return entry{}, fmt.Errorf("key of no bytes: %w", mmapstore.ErrMalformed)
	}
	if n > maxKey {
		return entry{}, fmt.Errorf("key of %d bytes: %w", n, mmapstore.ErrLimit)
	}
	end := lengthSize + int(n) // of the key
	value := end
	switch {
	case frame == PaddingApart:
		value += wordSize - end%wordSize
	case end%wordSize != 0:
		return entry{}, fmt.Errorf("key of %d bytes: %w", n, mmapstore.ErrMalformed)
	}
	e := entry{value: value, size: value + int(l)}
	if e.size > len(b) {
		return entry{}, errShort
	}
	for _, c := range b[end:value] {
		if c != ' ' {
			return entry{}, fmt.Errorf("padding of a key: %w", mmapstore.ErrMalformed)
		}
	}
	e.key = b[lengthSize:end:end]
	return e, nil
}
