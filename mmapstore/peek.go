//go:build unix

package mmapstore

import "fmt"

// Peek calls f with the first n bytes of the file where they are mapped, so that what
// is known can be compared with them: f must keep nothing of them, and is not to
// touch anything else. Words that a writer may change meanwhile are not to be looked
// at. It is for the goroutine that adds, after a Stat. Errors: ErrMalformed where the
// file has holes below n, which to read would cost, ErrTruncated for a file that is
// cut, or what mapping says.
func (c *Cells) Peek(n int64, f func(b []byte)) error {
	switch {
	case n > c.size:
		return &CorruptError{c.f.Name(), c.size, ErrTruncated}
	case c.holes.cost && (n+windowSize-1)/windowSize > c.holes.held:
		return &CorruptError{c.f.Name(), n, fmt.Errorf("a hole: %w", ErrMalformed)}
	case n > c.viewed:
		if err := c.mapUpTo(min(roundUp(n, ChunkSize), c.size)); err != nil {
			return err
		}
	}
	c.mu.Lock()
	view := c.view.acquire()
	c.mu.Unlock()
	defer view.release()
	return view.peek(int(n), f)
}
