//go:build unix

package stock

import (
	"bytes"

	"github.com/promfold/promfold/mmapstore"
)

// life says whether the file still holds what was read of it. Somebody may empty
// it in place, and a process of the same pid fill it with other entries: then the
// places that we know hold values of other series.
type life uint8

const (
	asBefore life = iota
	// doubtful: the last look found nothing in use, where there was something.
	// An old client stores zero before each number; it is over by the next look.
	doubtful
	// gone for good, whatever is in the file now: see Reused.
	gone
)

// settleLife looks whether the file, with so many bytes in use, is what it was.
func (r *Reader) settleLife(used, size int64) {
	switch {
	case r.life == gone || r.end == headerSize:
	case used == nothing && size >= r.end && r.life == asBefore:
		r.life = doubtful
	case used < r.end, used > r.end && (r.changed(&r.firstEntry) || r.changed(&r.lastEntry)):
		r.life = gone
	default:
		r.life = asBefore
	}
}

// specimen is how an entry begins that was read.
type specimen struct {
	off int64
	b   []byte
}

// specimenSize tells most keys from others.
const specimenSize = 256

// remember keeps how the entry at r.end begins, as the last one, and the first.
// The last is in b until the caller makes a copy.
func (r *Reader) remember(b []byte) {
	b = b[:min(len(b), specimenSize)]
	if len(r.firstEntry.b) == 0 {
		r.firstEntry = specimen{r.end, bytes.Clone(b)}
	}
	r.lastEntry = specimen{r.end, b}
}

// changed reports whether another entry is where one was read. What cannot be read
// is left to those who say why.
func (r *Reader) changed(s *specimen) bool {
	b := make([]byte, len(s.b))
	_, err := r.f.ReadAt(b, s.off)
	return err == nil && !bytes.Equal(b, s.b)
}

// Reused reports whether the file was emptied after it had been read, and holds
// entries again. They are of another life of the file, for another Reader to read.
func (r *Reader) Reused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life != gone || r.closed {
		return false
	}
	used, err := r.used()
	return err == nil && used > headerSize
}

// lost is the error of a Load from a file that is not what it was.
func (r *Reader) lost() error {
	return &mmapstore.CorruptError{Path: r.f.Name(), Offset: 0, Err: mmapstore.ErrTruncated}
}
