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
// A child counts in one of two ways. While its fast pointer is nil it counts in
// words under mu. Otherwise it loads the pointer and adds atomically to the
// cells behind it, with no lock. The pointer leaves nil under mu, after the
// counts were moved, so a count under mu is either moved along or made in the
// new place: none is lost. From then on the pointer moves only when the child is
// deleted, detached or its store closed; who loaded it before adds to the old
// cells, which stay valid memory for the life of the process.
type core struct {
	family  *family
	self    pointed
	pairs   []*dto.LabelPair
	labels  mmapstore.Labels
	created time.Time

	// mu guards the fields below, and the counts in words while the fast
	// pointer is nil.
	mu sync.Mutex
	// words hold the counts: heap or file. Gauges have the layout of timed
	// ones if there are timedWords of them.
	words []mmapstore.Word
	// start is what words held when this life of the series began, nil for
	// zeros: a series that was deleted goes on from its old counts.
	start []uint64

	// Guarded by Store.mu: place in the file, and whether the file's count of
	// homeless series has this one.
	state   placement
	slot    mmapstore.Slot
	dropped bool
	// seen is the last round of upkeep that found the child in its Vec, or in a
	// snapshot. It is guarded by the upkeep lock.
	seen uint64
}

// pointed is what has a fast pointer.
type pointed interface {
	// point sets the fast pointer.
	point(cells []mmapstore.Word)
}

// child is a metric of one of our families.
type child interface {
	prometheus.Metric
	base() *core
}

// placement is where a child stands with the file.
type placement uint8

const (
	homeless placement = iota // counts on the heap until there is a place
	placed                    // counts in its slot
	loose                     // counts on the heap for good
)

// timedWords are the words of mmapstore.SetLatest. All gauges have them while
// they wait on the heap, as they may turn out to be timed.
const timedWords = 5

func (c *core) init(f *family, self pointed) {
	c.family, c.self, c.created = f, self, time.Now()
	c.words = heap(c.heapWords())
}

// heap is n words that share no cache line with those of another child.
func heap(n int) []mmapstore.Word {
	const line = 8 // words
	return make([]mmapstore.Word, n, max(n, line))
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
	if c.family.cumulative() {
		if slot.Resumed {
			c.start = load(slot.Cells)
		}
		for i, n := range load(c.words) {
			if i == c.floatWord() {
				addFloat(&slot.Cells[i], math.Float64frombits(n))
			} else {
				slot.Cells[i].Add(n)
			}
		}
	} else {
		moveGauge(slot.Cells, c.words)
	}
	c.settle(slot.Cells)
}

// detach takes the child out of the file, or off the waiting list, for good. It
// goes on from its own value, in private memory.
func (c *core) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	words := c.copyOut()
	c.start = nil
	c.settle(words)
}

// settle makes words the place of the counts. The caller holds mu.
func (c *core) settle(words []mmapstore.Word) {
	c.words = words
	if c.family.cumulative() || len(words) != timedWords {
		c.self.point(words)
	} else {
		c.self.point(nil) // timed: every set takes mu
	}
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
	for i := range values {
		if i == c.floatWord() {
			d := math.Float64frombits(values[i]) - math.Float64frombits(c.start[i])
			values[i] = math.Float64bits(d)
		} else {
			values[i] -= c.start[i]
		}
	}
	return values
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

func finite(v float64) bool { return math.Abs(v) <= math.MaxFloat64 }
