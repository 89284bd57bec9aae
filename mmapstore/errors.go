package mmapstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/promfold/promfold/internal/wire"
)

// Errors of opening a file.
var (
	// ErrNotNative: the bytes do not begin with the magic of a native file.
	ErrNotNative = errors.New("not a promfold file")
	// ErrVersion: the file was written by a newer major version. It must be
	// neither archived nor unlinked.
	ErrVersion = errors.New("written by a newer major version")
	// ErrByteOrder: the file was written on a machine of the other byte order.
	ErrByteOrder = errors.New("foreign byte order")
	// ErrNotRegular: the name leads to a symlink, FIFO, directory or device.
	ErrNotRegular = errors.New("not a regular file")
)

// Errors of reading a file that is open.
var (
	// ErrTruncated: the file is shorter than what it published, usually because
	// somebody cut it while it was mapped.
	ErrTruncated = errors.New("file truncated")
	// ErrChecksum: a header or record does not match its checksum.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrMalformed: a length, offset, count or name breaks the format.
	ErrMalformed = wire.ErrMalformed
	// ErrLimit: the file asks for more than the reader's limits allow.
	ErrLimit = errors.New("over the limit")
)

// Errors of writing a file.
var (
	// ErrClosed: the writer was closed.
	ErrClosed = errors.New("store is closed")
	// ErrTooLarge: a family or series is over the writer's caps.
	ErrTooLarge = errors.New("over the cap")
)

// CorruptError names a damaged place in a file. Err is one of the sentinels
// above, so errors.Is tells the kind of damage.
type CorruptError struct {
	Path   string
	Offset int64 // byte offset in the file of the damaged header or record
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: offset %d: %v", e.Path, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// reasons are the kinds of error, with the words for them.
var reasons = []struct {
	err  error
	word string
}{
	{ErrVersion, "version"},
	{ErrByteOrder, "byteorder"},
	{ErrNotRegular, "notregular"},
	{ErrTruncated, "truncated"},
	{ErrChecksum, "checksum"},
	{ErrMalformed, "malformed"},
	{ErrLimit, "limit"},
	{ErrTooLarge, "limit"},
	{ErrNotNative, "native"},
}

// ReasonIO is the word for what the system refused, which may be different the
// next time.
const ReasonIO = "io"

// Reason is a short word for the kind of an error, one of Reasons, fit for the
// value of a label.
func Reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return ReasonIO
}

// Reasons lists all words that Reason may return.
func Reasons() []string {
	words := []string{ReasonIO}
	for _, r := range reasons {
		if !slices.Contains(words, r.word) {
			words = append(words, r.word)
		}
	}
	return words
}
