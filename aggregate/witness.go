package aggregate

import (
	"sync"
	"sync/atomic"

	"github.com/promfold/promfold/mmapstore"
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
	mu     sync.Mutex
	ticked uint64 // the youngest look that noted the clock
	last   int64  // what it noted, when the values were read
	back   int64  // by how much the clock went back since the last look that was noted

	noted   uint64 // the youngest look that was noted
	version uint64 // of the schema at that look
	words   int    // of the values at that look
	since   int64  // when that look began; 0 before the first
	sets    map[int]witnessed
}

// witnessed is the time in a file, and the one that counts in its place.
type witnessed struct {
	stored, counts int64  // 0: not set
	seen           uint64 // by the look of this number, last
}

// look is one reading of a source's values, seen by its witness.
type look struct {
	w      *Witness
	number uint64
	before uint64 // the look before
	words  int    // that the look before found
	now    int64  // after the values were read
	back   int64  // by how much the clock went back since the look before, or 0
	blind  bool   // tells nothing new: no values are added, or others are younger
}

// NewWitness is for a source that a complete look at since (Unix nanoseconds) did
// not find: what it says came after. 0 stands for no such look.
func NewWitness(since int64) *Witness { return &Witness{since: since, last: since} }

// begin numbers a look, before the values are read.
func (w *Witness) begin() uint64 { return w.looks.Add(1) }

// open takes the look up after the values of the schema were read, if they were
// and are to be added. It is closed when that is done. Whatever becomes of the
// values, the clock is noted: sources that are compared must know of the same steps.
func (w *Witness) open(number uint64, adds bool, schema *mmapstore.Schema, now int64) look {
	w.mu.Lock()
	l := look{w: w, number: number, now: now, blind: !adds || number < w.ticked}
	if number > w.ticked {
		w.tick(number, now)
	}
	if l.blind {
		return l
	}
	if schema.Version != w.version && w.noted != 0 {
		w.sets, w.since, w.words, w.back = nil, 0, 0, 0 // laid out anew: nothing that was known holds
	}
	l.before, l.words, l.back = w.noted, w.words, w.back
	w.noted, w.version, w.words, w.back = number, schema.Version, schema.Words, 0
	return l
}

func (w *Witness) tick(number uint64, now int64) {
	if by := w.last - now + 1; w.last > now {
		w.back += by
		w.stepBack(by)
	}
	w.ticked, w.last = number, now
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
		l.w.since = since
	}
	l.w.mu.Unlock()
}

// set is when the gauge whose words are at word was set, which the file says was
// at stored.
func (l *look) set(word int, stored int64) int64 {
	w := l.w
	known, ok := w.sets[word]
	if ok && known.stored == stored {
		l.note(word, known)
		return min(known.counts, l.now)
	}
	at := min(stored-l.back, l.now)
	lookedFor := ok && known.seen == l.before || word >= l.words // the look before would have found it
	if lookedFor && w.since != 0 && !l.blind {
		at = max(at, min(w.since+1, l.now))
	}
	l.note(word, witnessed{stored: stored, counts: at})
	return at
}

// unset: the gauge is not set now.
func (l *look) unset(word int) { l.note(word, witnessed{}) }

func (l *look) note(word int, s witnessed) {
	if l.blind {
		return
	}
	if l.w.sets == nil {
		l.w.sets = make(map[int]witnessed)
	}
	s.seen = l.number
	l.w.sets[word] = s
}
