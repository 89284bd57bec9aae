//go:build unix

package mmapstore

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
)

// Cells are the values of a file that another process writes, extends or cuts:
// checked places in the file, mapped as far as they reach, each with its place
// in a vector of words. Stat, Add and Extend are for one goroutine at a time;
// Load may be called by others meanwhile.
type Cells struct {
	f *os.File

	// Of the goroutine that adds.
	runs   []cellRun
	places []uint32 // of AddPlace, which has no runs
	each   int      // words at each place
	words  int
	need   int64 // the cells lie below this offset
	size   int64 // of the file, as of the last Stat
	blocks int64 // of the file, as of the last Stat
	holes  holeGuard

	// mu guards what Load may use, not the reading of the cells.
	mu     sync.Mutex
	closed bool
	stat   *fileStat
	view   *mapping
	viewed int64 // bytes that view covers
	ready  cellsReady
}

// cellsReady are the cells that an Extend has mapped.
type cellsReady struct {
	runs   []cellRun
	places []uint32
	each   int
	words  int
	need   int64
}

// NewCells makes a set without cells. The caller keeps f open until after Close.
func NewCells(f *os.File) *Cells {
	return &Cells{f: f, stat: newFileStat(f), holes: holeGuard{cost: holesCost(f)}}
}

// Stat takes note of the file's size, which it returns, and of the space that it
// takes. Both bound what Add admits. It is to be called after the words were read
// that say how much the file holds, and before the cells are added.
func (c *Cells) Stat() (int64, error) {
	c.mu.Lock()
	size, blocks, err := c.stat.read()
	c.mu.Unlock()
	if err == nil && size == c.size && blocks == c.blocks {
		return size, nil
	}
	st, err := c.f.Stat()
	if err != nil {
		return 0, fmt.Errorf("stat %s: %w", c.f.Name(), err)
	}
	c.size, c.holes.held, c.blocks = st.Size(), bytesHeld(st)/windowSize, blocks
	return c.size, nil
}

// Words is the length of the vector with all cells that were added.
func (c *Cells) Words() int { return c.words }

// Add gives the words words at offset off of the file a place in the vector, and
// returns it. The bytes from offset from to there were read and are no hole.
// Errors: ErrMalformed for a place that is not aligned or where the file has a
// hole, ErrTruncated beyond its end, ErrLimit.
func (c *Cells) Add(from, off uint64, words int) (word int, err error) {
	return c.add(from, off, words, false)
}

// add is Add; with timed, the words are those of a native gauge in a timed mode.
func (c *Cells) add(from, off uint64, n int, timed bool) (word int, err error) {
	run := cellRun{off: uint32(off), word: uint32(c.words), n: uint16(n), timed: timed}
	if err := c.admit(from, off, int64(runBytes(run)), n); err != nil {
		return 0, err
	}
	c.runs = append(c.runs, run)
	return int(run.word), nil
}

// admit takes up so many bytes at offset off, for so many words, if they may be read.
func (c *Cells) admit(from, off uint64, size int64, words int) error {
	switch {
	case off%wordSize != 0 || from > off:
		return fmt.Errorf("cells at %d: %w", off, ErrMalformed)
	case off > math.MaxUint32 || int64(off)+size > c.size:
		return fmt.Errorf("cells at %d in a file of %d bytes: %w", off, c.size, ErrTruncated)
	case int64(off)+size > MaxFileSize:
		return fmt.Errorf("cells at %d: %w", off, ErrLimit)
	case c.words+words > MaxWords:
		return fmt.Errorf("%d words: %w", c.words+words, ErrLimit)
	case !c.holes.admit(int64(from), int64(off-from)+size):
		return fmt.Errorf("cells at %d, where the file has a hole: %w", off, ErrMalformed)
	}
	c.words += words
	c.need = max(c.need, int64(off)+size)
	return nil
}

// Held is how many bytes the file takes on disk, as of the last Stat.
func (c *Cells) Held() int64 { return c.holes.held * windowSize }

// Extend makes the added cells ready for Load: it maps as much of the file as
// they need.
func (c *Cells) Extend() error {
	if c.need > c.viewed { // viewed changes here alone
		if c.size < c.need {
			return &CorruptError{c.f.Name(), c.size, ErrTruncated}
		}
		if err := c.mapUpTo(min(roundUp(c.need, ChunkSize), c.size)); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = cellsReady{c.runs, c.places, c.each, c.words, c.need}
	return nil
}

func (c *Cells) mapUpTo(end int64) error {
	view, err := newMapping(c.f, end)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		view.release()
		return os.ErrClosed
	}
	c.view.release()
	c.view, c.viewed = view, end
	return nil
}

// Load fills dst, a vector of the present or an earlier length, with the words
// of the moment, each read whole. After an error dst holds anything.
func (c *Cells) Load(dst []uint64) error {
	view, runs, err := c.snapshot(len(dst))
	if err != nil {
		return err
	}
	defer view.release()
	return view.load(runs, dst)
}

// loadRest is Load of what is left of a file that was cut: words beyond its end, which
// it returns, are zero.
func (c *Cells) loadRest(dst []uint64) (int64, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, fmt.Errorf("load %s: %w", c.f.Name(), os.ErrClosed)
	}
	st, err := c.f.Stat()
	if err != nil {
		c.mu.Unlock()
		return 0, fmt.Errorf("stat %s: %w", c.f.Name(), err)
	}
	end := min(st.Size(), c.viewed)
	left := before(upTo(c.ready.runs, len(dst)), end)
	view := c.view.acquire()
	c.mu.Unlock()
	defer view.release()
	clear(dst)
	return end, view.load(left, dst)
}

// before is what of the runs lies before the end.
func before(runs []cellRun, end int64) (left []cellRun) {
	for _, r := range runs {
		over := int64(r.off) + int64(runBytes(r)) - end
		switch {
		case over <= 0:
			left = append(left, r)
		case !r.timed && over < int64(runBytes(r)):
			r.n -= uint16((over + wordSize - 1) / wordSize)
			left = append(left, r)
		}
	}
	return left
}

// word reads one live word of what is mapped.
func (c *Cells) word(off int) (uint64, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, os.ErrClosed
	}
	v := c.view.acquire()
	c.mu.Unlock()
	defer v.release()
	return v.word(off)
}

// snapshot takes hold of what Load needs, so that it can read without the lock.
func (c *Cells) snapshot(words int) (*mapping, []cellRun, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.intact(words); err != nil {
		return nil, nil, err
	}
	return c.view.acquire(), upTo(c.ready.runs, words), nil
}

// upTo is the runs as far as they fill a vector of so many words: an earlier one may
// have been shorter by a part of a run.
func upTo(runs []cellRun, words int) []cellRun {
	n := len(runs)
	for n > 0 && int(runs[n-1].word) >= words {
		n--
	}
	if n == 0 || int(runs[n-1].word)+int(runs[n-1].n) <= words {
		return runs[:n]
	}
	runs = slices.Clone(runs[:n])
	if last := &runs[n-1]; last.timed {
		runs = runs[:n-1]
	} else {
		last.n = uint16(words - int(last.word))
	}
	return runs
}

// intact reports whether the file still has the cells of so many words.
func (c *Cells) intact(words int) error {
	if c.closed {
		return fmt.Errorf("load %s: %w", c.f.Name(), os.ErrClosed)
	}
	size, _, err := c.stat.read()
	if err != nil {
		return fmt.Errorf("stat %s: %w", c.f.Name(), err)
	}
	// Words beyond the ready ones exist after an Extend that failed.
	if size < c.ready.need || words > c.ready.words {
		return &CorruptError{c.f.Name(), min(size, c.viewed), ErrTruncated}
	}
	return nil
}

// Close ends the use of the cells. A Load under way ends first; the mapping goes
// with its last user.
func (c *Cells) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.view.release()
	}
}
