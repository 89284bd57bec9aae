package aggregate

import (
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// sight is what one look finds of gauges, by word: when they were set, as their file
// says.
type sight map[int]int64

// sees is one look of the schema's version, from since to now, and what counts.
func (w *Witness) sees(version uint64, since, now int64, found sight) sight {
	return w.seesAs(w.begin(), version, since, now, found)
}

func (w *Witness) seesAs(number, version uint64, since, now int64, found sight) sight {
	l := w.open(number, true, &mmapstore.Schema{Version: version}, now)
	defer l.close(since)
	counts := sight{}
	for word := range 10 {
		if stored, ok := found[word]; ok {
			counts[word] = l.set(word, stored)
		}
	}
	return counts
}

func (s sight) want(t *testing.T, word int, at int64) {
	t.Helper()
	if s[word] != at {
		t.Errorf("the set at word %d counts as of %d, want %d", word, s[word], at)
	}
}

// Property: a set that the look before did not find was made after it, though the
// file says otherwise; one in the future was made before it was found.
func TestWitnessBetweenLooks(t *testing.T) {
	var w Witness
	w.sees(0, 100, 110, sight{1: 90, 2: 90})
	got := w.sees(0, 200, 210, sight{1: 50, 2: 900})
	got.want(t, 1, 101)
	got.want(t, 2, 210)
	got = w.sees(0, 1000, 1010, sight{1: 50, 2: 900})
	got.want(t, 1, 101)
	got.want(t, 2, 210)
}

// Property: a gauge that is seen for the first time was set when its file says: it
// may have waited for room. So may one that no look before was about.
func TestWitnessOfLateGauges(t *testing.T) {
	var w Witness
	w.sees(0, 100, 110, sight{2: 90})
	got := w.sees(0, 200, 210, sight{1: 50})
	got.want(t, 1, 50)
	got = w.sees(0, 300, 310, sight{1: 50, 2: 120, 3: 60})
	got.want(t, 2, 120)
	got.want(t, 3, 60)
}

// Property: when the clock goes back, all that was known goes back with it.
func TestWitnessOfAStepBack(t *testing.T) {
	var w Witness
	w.sees(0, 4000, 4010, sight{1: 3990})
	got := w.sees(0, 400, 410, sight{1: 3990, 2: 405})
	got.want(t, 1, 3990-3601)
	got.want(t, 2, 405)
}

// Property: a look that began before another and ends after it tells nothing new.
func TestWitnessOfASlowLook(t *testing.T) {
	var w Witness
	slow := w.begin()
	w.sees(0, 100, 110, sight{1: 90})
	w.seesAs(slow, 0, 500, 510, sight{1: 50})
	w.sees(0, 600, 610, sight{1: 90}).want(t, 1, 90)
}

// Property: of a file that was laid out anew nothing is known.
func TestWitnessOfANewLayout(t *testing.T) {
	var w Witness
	w.sees(1, 100, 110, sight{1: 90})
	w.sees(2, 200, 210, sight{1: 50}).want(t, 1, 50)
}
