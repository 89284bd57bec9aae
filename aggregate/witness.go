package aggregate

import (
	"sync"
	"sync/atomic"
)

// Witness is what the readers of one process know about the times in a source
// from having looked at it again and again. Clocks step; but a set that the last
// look did not find was made after that look, and one that this look finds was
// made before it. So a set counts as of the time that its process noted, as far
// as that lies between the two. Once found, it keeps its time for as long as it
// is there; when the clock steps back, all that was known steps back with it, so
// that what comes then is newer.
//
// Merges of exporter and archiver share the Witness of a source, so that what is
// archived has the times by which it was shown.
type Witness struct {
	looks atomic.Uint64 // begun so far

	// mu is held while the values of a look are added, in which nothing waits.
	mu      sync.Mutex
	noted   uint64 // the youngest look that was noted
	version uint64 // of the schema at that look
	since   int64  // when that look began; 0 before the first
	last    int64  // when it had read the values
	sets    map[int]witnessed
}

// witnessed is the time in a file, and the one that counts in its place.
type witnessed struct{ stored, counts int64 }

// look is one reading of a source's values, seen by its witness.
type look struct {
	w     *Witness
	now   int64 // after the values were read
	back  int64 // by how much the clock went back since the last look, or 0
	blind bool  // tells nothing new: no values were read, or others are younger
}

// NewWitness is for a source that a complete look at since (Unix nanoseconds) did
// not find: what it says came after. 0 stands for no such look.
func NewWitness(since int64) *Witness { return &Witness{since: since, last: since} }

// begin numbers a look, before the values are read.
func (w *Witness) begin() uint64 { return w.looks.Add(1) }

// open takes the look up after the values were read, if they were. It is closed
// when they have been added.
func (w *Witness) open(number uint64, read bool, version uint64, now int64) look {
	w.mu.Lock()
	l := look{w: w, now: now, blind: !read || number < w.noted}
	if l.blind {
		return l
	}
	if version != w.version && w.noted != 0 {
		w.sets, w.since, w.last = nil, 0, 0 // laid out anew: nothing that was known holds
	}
	w.noted, w.version = number, version
	if w.last > now {
		l.back = w.last - now + 1
		w.stepBack(l.back)
	}
	return l
}

// stepBack: the clock did. What was known is older than what comes.
func (w *Witness) stepBack(by int64) {
	if w.since != 0 {
		w.since = w.last - by
	}
	for i, s := range w.sets {
		s.counts -= by
		w.sets[i] = s
	}
}

// close ends the look, which began at since.
func (l *look) close(since int64) {
	if !l.blind {
		l.w.since, l.w.last = since, l.now
	}
	l.w.mu.Unlock()
}

// set is when the gauge whose words are at word was set, which the file says was
// at stored.
func (l *look) set(word int, stored int64) int64 {
	w := l.w
	if s, ok := w.sets[word]; ok && s.stored == stored {
		return min(s.counts, l.now)
	}
	at := min(stored-l.back, l.now)
	if l.blind {
		return at
	}
	if w.since != 0 {
		at = max(at, min(w.since+1, l.now))
	}
	if w.sets == nil {
		w.sets = make(map[int]witnessed)
	}
	w.sets[word] = witnessed{stored, at}
	return at
}

// unset: the gauge is not set now.
func (l *look) unset(word int) {
	if !l.blind {
		delete(l.w.sets, word)
	}
}
