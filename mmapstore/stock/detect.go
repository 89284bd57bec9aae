//go:build unix

package stock

import (
	"errors"
	"fmt"
	"io"

	"github.com/promfold/promfold/mmapstore"
)

// trail is a walk over the entries as they would be in one of the layouts.
type trail struct {
	layout layout
	off    int64 // of the next entry in the file
	passed int   // entries that are whole
	long   int   // entries whose keys are too long to look at
	failed bool
	whole  bool // it ended exactly where the file does
}

// window is a part of a file that was read, which the trails move along.
type window struct {
	f   io.ReaderAt
	b   []byte
	off int64
}

// most is how far an entry goes whose key is not too long.
const most = lengthSize + maxKey + wordSize + int64(v16)

// at is the file from off on, as far as an entry may go.
func (w *window) at(off, limit int64) ([]byte, error) {
	need := min(most, limit-off)
	if off >= w.off && off+need <= w.off+int64(len(w.b)) {
		return w.b[off-w.off:], nil
	}
	// In new memory: the one who began the window goes on to read what it held.
	b := make([]byte, min(chunkSize, limit-off))
	if _, err := w.f.ReadAt(b, off); err != nil {
		return nil, err
	}
	w.b, w.off = b, off
	return b, nil
}

// detect tells in which layout the entries are. They begin at the start of w and
// can be read up to limit; used is how far the file says that they go. The layout
// in which the whole file makes sense is the one; of a damaged file, the one in
// which more entries do; unknown with an error if none does, or both. A key that
// is too long is stepped over both ways, and is no evidence for either.
//
// The wrong layout fails within two entries, as a rule, and with that the right
// one is known: it need not be walked to its end.
func detect(w *window, limit, used int64, f Format) (layout, error) {
	short, long := &trail{layout: v8, off: w.off}, &trail{layout: v16, off: w.off}
	for {
		if l, ok := decided(short, long); ok {
			if l == unknown && short.long+long.long > 0 {
				return l, fmt.Errorf("no entries but too long ones: %w", mmapstore.ErrLimit)
			}
			if l == unknown {
				return l, fmt.Errorf("no entries: %w", mmapstore.ErrMalformed)
			}
			return l, nil
		}
		t := short
		if short.failed || short.whole || !long.failed && !long.whole && long.off < short.off {
			t = long
		}
		if err := t.step(w, limit, used, f); err != nil {
			return unknown, err
		}
	}
}

// decided compares the two trails.
func decided(short, long *trail) (layout, bool) {
	switch {
	case short.whole && long.whole:
		return unknown, true
	case short.failed && long.failed:
		return mostPassed(short, long), true
	case short.failed && long.whole, long.failed && short.whole:
		if short.whole && short.passed > 0 {
			return v8, true
		}
		if long.whole && long.passed > 0 {
			return v16, true
		}
		return unknown, true
	case short.failed && long.passed > short.passed:
		return v16, true
	case long.failed && short.passed > long.passed:
		return v8, true
	}
	return unknown, false
}

// mostPassed decides about a damaged file. In doubt there is no timestamp.
func mostPassed(short, long *trail) layout {
	switch {
	case long.passed > short.passed:
		return v16
	case short.passed > 0:
		return v8
	}
	return unknown
}

// step goes on by an entry. Its error is that of reading.
func (t *trail) step(w *window, limit, used int64, f Format) error {
	b, err := w.at(t.off, limit)
	if err != nil {
		return err
	}
	e, err := t.layout.cut(b, limit-t.off, f.Frame())
	switch {
	case err == nil:
		var k Key
		if t.failed = errors.Is(f.Decode(e.key, &k), ErrKey); t.failed {
			return nil
		}
		t.passed++
	case e.size > 0:
		t.long++
	default:
		t.failed = true
		return nil
	}
	t.off += int64(e.size)
	t.whole = t.off == used
	return nil
}
