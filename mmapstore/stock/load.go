//go:build unix

package stock

import (
	"math"
	"slices"
	"sync"

	"github.com/promfold/promfold/mmapstore"
)

// loader reads the cells and makes of them what a schema promises.
//
// Old clients store zero before each value, and any counter may be caught
// between the two. So a cell that may not decrease is looked at again if it did,
// and every cell if it is zero and was not before. A decrease that stays is
// taken for such a moment, and the last value kept.
type loader struct {
	mu     sync.Mutex // guards what follows, for one Load at a time
	last   []uint64   // what the cells hold, as of the last look; unseen before the first
	doubts []int32    // words of a batch to look at again
	// kept are the layouts of the last Load that worked, and of the last one before it
	// that had another: see LoadKept.
	kept [2]layoutOf
}

// layoutOf is a plan, and the least length of a vector of it.
type layoutOf struct {
	plan
	least int
}

// batch is how many cells are looked at before what they hold is judged: few enough
// that all of it stays close to the processor.
const batch = 512

// unseen is a NaN: neither equal to what is there, as a rule, nor more.
const unseen = math.MaxUint64

// looks bounds how often a doubtful cell is looked at again. The moment between
// the two stores is a few ns, unless the writer was put to sleep in it.
const looks = 3

// load fills dst by the plan, of which it has a copy.
func (l *loader) load(dst []uint64, p *layoutOf, cells *mmapstore.Cells) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.look(p.cells, cells); err != nil {
		return err
	}
	if l.kept[0].schema.Version != p.schema.Version {
		l.kept[1] = l.kept[0]
	}
	l.kept[0] = *p
	l.fill(dst, &p.plan)
	return nil
}

// fill makes of the cells, as of the last look, what the plan says.
func (l *loader) fill(dst []uint64, p *plan) {
	clear(dst)
	for i := range p.ops {
		if int(p.ops[i].word) >= len(dst) {
			break
		}
		p.ops[i].run(dst, l.last, p)
	}
}

// look brings last up to the moment. rules are those of all words.
func (l *loader) look(rules []settle, cells *mmapstore.Cells) error {
	sight, err := cells.See(len(rules))
	if err != nil {
		return err
	}
	defer sight.LetGo()
	for l.last = slices.Grow(l.last, max(len(rules)-len(l.last), 0)); len(l.last) < len(rules); {
		l.last = append(l.last, unseen)
	}
	var now [batch]uint64
	for first := 0; first < len(rules); first += batch {
		n := min(batch, len(rules)-first)
		if err := sight.Load(now[:n], first); err != nil {
			return err
		}
		if err := l.settle(now[:n], first, rules[first:first+n], sight); err != nil {
			return err
		}
	}
	return nil
}

// settle takes over what the words from first on are now, once it has looked again at
// what may be no more than a moment.
func (l *loader) settle(now []uint64, first int, rules []settle, sight mmapstore.Sight) error {
	last := l.last[first : first+len(now)]
	if slices.Equal(last, now) {
		return nil
	}
	l.doubts = l.doubts[:0]
	for i, v := range now {
		if mayPass(rules[i], last[i], v) {
			l.doubts = append(l.doubts, int32(i))
		}
	}
	for range looks {
		if len(l.doubts) == 0 {
			break
		}
		if err := sight.LoadAgain(now, first, l.doubts); err != nil {
			return err
		}
		l.doubts = slices.DeleteFunc(l.doubts, func(i int32) bool { return !mayPass(rules[i], last[i], now[i]) })
	}
	for _, i := range l.doubts {
		if less(rules[i], last[i], now[i]) {
			now[i] = last[i]
		}
	}
	copy(last, now)
	return nil
}

// mayPass reports whether the value v, after last, may be a moment's.
func mayPass(rule settle, last, v uint64) bool {
	return v != last && rule != asRead && (v == 0 || less(rule, last, v))
}

// less reports whether v breaks the rule that the word never decreases.
func less(rule settle, last, v uint64) bool {
	return rule == notLess && math.Float64frombits(v) < math.Float64frombits(last)
}
