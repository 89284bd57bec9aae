//go:build unix

package stock

import (
	"math"
	"slices"
	"sort"
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
	stride int32 // words that each Add gave to cells; set before the first Load

	mu     sync.Mutex // guards what follows, for one Load at a time
	raw    []uint64   // what the cells hold
	last   []uint64   // what they held in the last Load
	doubts []int32    // words of raw to look at again
	runs   []int32    // the runs of cells that they are in
}

// looks bounds how often a doubtful cell is looked at again. The moment between
// the two stores is a few ns, unless the writer was put to sleep in it.
const looks = 3

// load fills dst by the plan, of which it has a copy.
func (l *loader) load(dst []uint64, p *plan, cells *mmapstore.Cells) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.raw = slices.Grow(l.raw[:0], len(p.cells))
	raw := l.raw[:len(p.cells)]
	if err := cells.Load(raw); err != nil {
		return err
	}
	if err := l.settle(raw, p.cells, cells); err != nil {
		return err
	}
	l.last = append(l.last[:0], raw...)
	clear(dst)
	end := sort.Search(len(p.ops), func(i int) bool { return int(p.ops[i].word) >= len(dst) })
	for _, o := range p.ops[:end] {
		o.run(dst, raw, p.time)
	}
	return nil
}

// settle looks again at what may be no more than a moment.
func (l *loader) settle(raw []uint64, rules []settle, cells *mmapstore.Cells) error {
	l.doubts = l.doubts[:0]
	for i, v := range raw {
		if (i >= len(l.last) || v != l.last[i]) && l.doubtful(rules[i], i, v) {
			l.doubts = append(l.doubts, int32(i))
		}
	}
	for range looks {
		if len(l.doubts) == 0 {
			return nil
		}
		if err := l.lookAgain(raw, cells); err != nil {
			return err
		}
		l.doubts = slices.DeleteFunc(l.doubts, func(i int32) bool {
			return !l.doubtful(rules[i], int(i), raw[i])
		})
	}
	for _, i := range l.doubts {
		if l.less(rules[i], int(i), raw[i]) {
			raw[i] = l.last[i]
		}
	}
	return nil
}

func (l *loader) lookAgain(raw []uint64, cells *mmapstore.Cells) error {
	l.runs = l.runs[:0]
	for _, i := range l.doubts {
		l.runs = append(l.runs, i/l.stride)
	}
	return cells.LoadAgain(raw, l.runs)
}

// doubtful reports whether the value v of the i-th word may be a moment's.
func (l *loader) doubtful(rule settle, i int, v uint64) bool {
	return rule != asRead && (v == 0 || l.less(rule, i, v))
}

// less reports whether v breaks the rule that the word never decreases.
func (l *loader) less(rule settle, i int, v uint64) bool {
	return rule == notLess && i < len(l.last) && math.Float64frombits(v) < math.Float64frombits(l.last[i])
}
