package worker

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/promfold/promfold/mmapstore"
)

// core is what all children have in common: who they are and where their counts
// lie.
//
// The metric calls of a cumulative child load a pointer to its words and add to
// them atomically, with no lock. While the words wait on the heap for a place in
// the file, waiting.go says how counts follow them there. A gauge that waits is
// set under mu instead: it needs the time, and its fast pointer is nil, which
// leaves nil under mu, after the value was moved.
//
// From then on the pointer moves only when the child is deleted, detached, parked
// or its store closed; who loaded it before adds to the old cells, which stay
// valid memory for the life of the process.
type core struct {
	family  *family
	self    pointed
	pairs   []*dto.LabelPair
	labels  mmapstore.Labels
	created time.Time

	// mu guards the fields below, and what a gauge has in words while its fast
	// pointer is nil. No metric call of another type takes it.
	mu sync.Mutex
	// words hold the counts: heap or file. Gauges have the layout of timed
	// ones if there are timedWords of them.
	words []mmapstore.Word
	// start is what words would hold had this child counted nothing, nil for
	// zeros: a series that was deleted goes on from its old counts, and a child
	// that was parked has counts that are not in words.
	start []uint64
	// waits: metric calls count in words as waiting.go says.
	waits bool

	// Guarded by Store.mu: place in the file, and whether the file's count of
	// homeless series has this one.
	state   placement
	slot    mmapstore.Slot
	dropped bool
	// seen is the last round of upkeep that found the child in its Vec, or in a
	// snapshot. It is guarded by the upkeep lock.
	seen uint64
}

// pointed is what metric calls are made on.
type pointed interface {
	// point sends metric calls to words: to wait there, or for good.
	point(words []mmapstore.Word, waits bool)
}

// child is a metric of one of our families.
type child interface {
	prometheus.Metric
	base() *core
}

// placement is where a child stands with the file.
type placement uint8

const (
	homeless placement = iota // counts on the heap until there is a place; no fast pointer
	placed                    // counts in its slot
	loose                     // counts on the heap for good
)

// timedWords are the words of mmapstore.SetLatest. All gauges have them while
// they wait on the heap, as they may turn out to be timed.
const timedWords = 5

func (c *core) init(f *family, self pointed) {
	c.family, c.self, c.created = f, self, time.Now()
	c.wait(heap(c.heapWords()))
}

// heap is n words that share no cache line with those of another child.
func heap(n int) []mmapstore.Word {
	const line = 8 // words; what is as large as whole lines begins with one
	return make([]mmapstore.Word, n, (n+line-1)/line*line)
}

// heapWords is how many words the child has while it waits on the heap.
func (c *core) heapWords() int {
	if c.family.cumulative() {
		return c.family.meta.WordCount(1)
	}
	return timedWords
}

// Desc implements prometheus.Metric.
func (c *core) Desc() *prometheus.Desc { return c.family.desc }

// Describe implements prometheus.Collector.
func (c *core) Describe(ch chan<- *prometheus.Desc) { ch <- c.family.desc }

func (c *core) base() *core { return c }

func (c *core) createdTimestamp() *timestamppb.Timestamp { return timestamppb.New(c.created) }

// reject notes an amount that could not be counted.
func (c *core) reject() { c.family.store.rejected.Add(1) }

// floatWord is the index of the word that is a float64, in the layout of
// cumulative types.
func (c *core) floatWord() int {
	if t := c.family.meta.Type; t == mmapstore.Histogram || t == mmapstore.Summary {
		return 0
	}
	return 1
}

// move brings the counts into a slot of the file and makes metric calls go
// there.
func (c *core) move(slot mmapstore.Slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	words := c.words
	if !c.family.cumulative() {
		moveGauge(slot.Cells, words)
		c.settle(slot.Cells)
		return
	}
	if slot.Resumed {
		c.start = c.sum(load(slot.Cells), c.start)
	}
	c.settle(slot.Cells)
	for i := range words { // only now: who finds a seal is to find the place too
		c.add(i, take(&words[i]))
	}
}

// add adds the value of a word to that of a cumulative child. The caller holds mu.
func (c *core) add(word int, n uint64) {
	if word == c.floatWord() {
		addFinite(&c.words[word], math.Float64frombits(n))
	} else {
		c.words[word].Add(n)
	}
}

// detach takes the child out of the file, or off the waiting list, for good. It
// goes on from its own value, in private memory.
func (c *core) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits { // in private memory already, and counted in meanwhile
		if c.start != nil {
			for i, n := range c.negative(c.start) {
				c.add(i, n)
			}
		}
		c.start = nil
		c.settle(c.words)
		return
	}
	words := c.copyOut()
	c.start = nil
	c.settle(words)
}

// park takes the child out of the file until its family comes back. What it
// counted so far stays in the file, and what it counts from here on is kept
// apart, so that the file gets that alone.
func (c *core) park() {
	c.mu.Lock()
	defer c.mu.Unlock()
	words := heap(c.heapWords())
	if c.family.cumulative() {
		c.start = c.negative(c.own())
	} else {
		moveGauge(words, c.words)
	}
	c.wait(words)
}

// wait makes words the place of the counts until there is one in the file. The
// caller holds mu.
func (c *core) wait(words []mmapstore.Word) {
	c.words, c.waits = words, c.family.cumulative()
	c.self.point(words, true)
}

// settle makes words the place of the counts. The caller holds mu.
func (c *core) settle(words []mmapstore.Word) {
	c.words, c.waits = words, false
	c.self.point(words, false)
}

// copyOut is the child's own value in fresh memory. The caller holds mu.
func (c *core) copyOut() []mmapstore.Word {
	if !c.family.cumulative() {
		words := heap(2)
		moveGauge(words, c.words)
		return words
	}
	words := heap(len(c.words))
	for i, n := range c.own() {
		words[i].Store(n)
	}
	return words
}

// own is what a cumulative child counted in this life. The caller holds mu.
func (c *core) own() []uint64 {
	values := load(c.words)
	if c.start == nil {
		return values
	}
	return c.sum(values, c.negative(c.start))
}

// sum adds up values of a cumulative child; b may be nil. Integers wrap around.
func (c *core) sum(a, b []uint64) []uint64 {
	for i, n := range b {
		if i == c.floatWord() {
			a[i] = math.Float64bits(math.Float64frombits(a[i]) + math.Float64frombits(n))
		} else {
			a[i] += n
		}
	}
	return a
}

// negative is what sum takes away with.
func (c *core) negative(values []uint64) []uint64 {
	neg := make([]uint64, len(values))
	for i, n := range values {
		if i == c.floatWord() {
			neg[i] = math.Float64bits(-math.Float64frombits(n))
		} else {
			neg[i] = -n
		}
	}
	return neg
}

// ownLocked is own for callers without mu.
func (c *core) ownLocked() []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own()
}

func load(words []mmapstore.Word) []uint64 {
	values := make([]uint64, len(words))
	for i := range words {
		values[i] = words[i].Load()
	}
	return values
}

// addFloat adds to a word that holds a float64.
func addFloat(w *mmapstore.Word, v float64) {
	for {
		old := w.Load()
		if w.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// addFinite is addFloat for totals. It adds nothing, and says so, if the total
// would not be finite: it could never recover.
func addFinite(w *mmapstore.Word, v float64) bool {
	for {
		old := w.Load()
		sum := math.Float64bits(math.Float64frombits(old) + v)
		if sum&exponent == exponent { // infinite or NaN
			return false
		}
		if w.CompareAndSwap(old, sum) {
			return true
		}
	}
}

// exponent is the bits of a float64 that are all ones if it is not finite.
const exponent = 0x7ff << 52

func finite(v float64) bool { return math.Abs(v) <= math.MaxFloat64 }
