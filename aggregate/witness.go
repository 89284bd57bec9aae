package aggregate

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/promfold/promfold/mmapstore"
)

// Witness is what the readers of one process know about the times in a source
// from having looked at it again and again. Clocks step; but if a gauge was looked
// at before, a set that the last look did not find was made after that look, and
// one that this look finds was made before it. So a set counts as of the time that
// its process noted, as far as that lies between the two. Once found, it keeps its
// time for as long as it is there; when the clock steps back, all that was known
// steps back with it, so that what comes then is newer.
//
// A gauge that is seen for the first time may have been set long ago: it comes into
// the file when there is room.
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

	noted   uint64      // the youngest look that was noted
	version uint64      // of the schema at that look
	since   int64       // when that look began
	gauges  []witnessed // by word
}

// witnessed is a gauge that was looked at: when it was set by its file, and the time
// that counts in its place.
type witnessed struct {
	word           int
	stored, counts int64  // 0: not set
	seen           uint64 // by the look of this number, last
}

// look is one reading of a source's values, seen by its witness.
type look struct {
	w      *Witness
	number uint64
	before uint64 // the look before
	now    int64  // after the values were read
	back   int64  // by how much the clock went back since the look before, or 0
	blind  bool   // tells nothing new: no values are added, or others are younger
	next   int    // where in gauges the next one is, as a rule
}

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
		w.gauges, w.back = nil, 0 // laid out anew: nothing that was known holds
	}
	l.before, l.back = w.noted, w.back
	w.noted, w.version, w.back = number, schema.Version, 0
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
	w.since = w.last - by
	for i := range w.gauges {
		w.gauges[i].counts -= by
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
	i, ok := l.find(word)
	if !ok {
		at := stored
		if l.before == 0 { // otherwise the series is new, and the clock is that of the moment
			at -= l.back
		}
		at = min(at, l.now)
		l.note(i, false, witnessed{word, stored, at, l.number})
		return at
	}
	known := l.w.gauges[i]
	at := known.counts
	if known.stored != stored {
		at = stored - l.back
		if known.seen == l.before && !l.blind {
			at = max(at, l.w.since+1)
		}
	}
	at = min(at, l.now)
	l.note(i, true, witnessed{word, stored, at, l.number})
	return at
}

// unset: the gauge is not set now.
func (l *look) unset(word int) {
	i, ok := l.find(word)
	l.note(i, ok, witnessed{word: word, seen: l.number})
}

// find is where the gauge at word is, or belongs. Looks come to gauges in the order
// of their words.
func (l *look) find(word int) (i int, ok bool) {
	gauges := l.w.gauges
	i = l.next
	if ok = i < len(gauges) && gauges[i].word == word; !ok {
		i, ok = slices.BinarySearchFunc(gauges, word, func(g witnessed, word int) int { return cmp.Compare(g.word, word) })
	}
	l.next = i + 1
	return i, ok
}

// note remembers the gauge at i.
func (l *look) note(i int, known bool, g witnessed) {
	switch {
	case l.blind:
	case known:
		l.w.gauges[i] = g
	default:
		l.w.gauges = slices.Insert(l.w.gauges, i, g)
	}
}
