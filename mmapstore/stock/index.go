package stock

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/promfold/promfold/mmapstore"
)

// index is what was parsed of a file: everything but where it goes in the vector
// of values. It only grows, and keys need not be parsed again to lay out the
// series in another way.
type index struct {
	metrics []metric
	sets    []set
	marks   []mark
	items   []item

	byName map[string]int32 // metrics
	byText map[string]int32 // marks, by name, NUL and text

	metric  int32 // of the last item: the next one is likely to be of it
	mark    int32
	scratch []byte
}

// item is an entry of the file.
type item struct {
	off  uint32 // of the entry, for messages
	word int32  // of its value in the vector of cells
	set  int32
	mark int32 // none: noMark
	next int32 // of the same set, 0 for the last
	part Part
}

const noMark = -1

// set is a label set of a metric, without marks. Where a metric has parts, its
// label sets differ; else each entry has a set of its own.
type set struct {
	metric      int32
	first, last int32 // items
	items       int32
	laid        bool // it has a place in the vector
	labels      mmapstore.Labels
}

// metric is what shares a name.
type metric struct {
	name, help string
	first      uint32 // offset of its first entry
	byLabels   map[string]int32
	last       int32 // set of the last part, or -1
	parts      [Ignored + 1]int32
	quantiles  int32 // parts that a quantile tells
	bounds     int32 // parts that a le tells

	laid  bool // series of it were laid out, by shape
	shape shape
}

// mark is a label that tells a part.
type mark struct {
	name, text string
	bound      float64 // NaN if text is no number
}

// maxParts bounds what one label set can make us sort.
const maxParts = 2 * mmapstore.MaxBounds

// add takes up an entry. After an error it is as if it had not been there.
func (x *index) add(off uint32, word int, k *Key) error {
	labels, err := mmapstore.AppendLabels(x.scratch[:0], k.Labels)
	x.scratch = labels[:0]
	if err != nil {
		return err
	}
	if len(k.Family) > mmapstore.MaxName || len(k.Help) > mmapstore.MaxHelp {
		return fmt.Errorf("name or help of family %.40q: %w", k.Family, mmapstore.ErrLimit)
	}
	m, err := x.metricOf(k, off)
	if err != nil {
		return err
	}
	s, err := x.setOf(m, k, labels)
	if err != nil {
		return err
	}
	it := item{off: off, word: int32(word), set: s, mark: noMark, part: k.Part}
	if k.MarkName != "" {
		it.mark = x.markOf(k)
	}
	x.count(m, k)
	x.link(it)
	return nil
}

func (x *index) metricOf(k *Key, off uint32) (int32, error) {
	if int(x.metric) < len(x.metrics) && x.metrics[x.metric].name == string(k.Family) {
		return x.metric, nil
	}
	m, ok := x.byName[string(k.Family)]
	if !ok {
		if len(x.metrics) >= mmapstore.MaxFamilies {
			return 0, fmt.Errorf("family number %d: %w", len(x.metrics)+1, mmapstore.ErrLimit)
		}
		m = int32(len(x.metrics))
		name := string(k.Family)
		x.metrics = append(x.metrics, metric{name: name, help: x.help(k.Help), first: off, last: -1})
		x.byName[name] = m
	}
	x.metric = m
	return m, nil
}

// noHelp is what the clients say where they know of none.
const noHelp = "Multiprocess metric"

// help makes a string of it, the same for neighbours that share it.
func (x *index) help(b []byte) string {
	switch n := len(x.metrics); {
	case len(b) == 0:
		return noHelp
	case n > 0 && x.metrics[n-1].help == string(b):
		return x.metrics[n-1].help
	}
	return string(b)
}

func (x *index) setOf(m int32, k *Key, labels []byte) (int32, error) {
	metric := &x.metrics[m]
	if k.Part != Value {
		if s := metric.last; s >= 0 && string(x.sets[s].labels) == string(labels) {
			return s, x.checkParts(s)
		}
		if s, ok := metric.byLabels[string(labels)]; ok {
			metric.last = s
			return s, x.checkParts(s)
		}
	}
	if len(x.sets) >= mmapstore.MaxSeries {
		return 0, fmt.Errorf("series number %d: %w", len(x.sets)+1, mmapstore.ErrLimit)
	}
	s := int32(len(x.sets))
	x.sets = append(x.sets, set{metric: m, labels: mmapstore.Labels(labels)})
	if k.Part != Value {
		if metric.byLabels == nil {
			metric.byLabels = make(map[string]int32)
		}
		metric.byLabels[string(x.sets[s].labels)] = s
		metric.last = s
	}
	return s, nil
}

func (x *index) checkParts(s int32) error {
	if x.sets[s].items >= maxParts {
		return fmt.Errorf("more than %d parts of a series: %w", maxParts, mmapstore.ErrLimit)
	}
	return nil
}

func (x *index) markOf(k *Key) int32 {
	// Label sets of a histogram come with the same bounds in the same order.
	if next := x.mark + 1; int(next) < len(x.marks) && x.marks[next].is(k) {
		x.mark = next
		return next
	}
	x.scratch = append(append(append(x.scratch[:0], k.MarkName...), 0), k.Mark...)
	i, ok := x.byText[string(x.scratch)]
	if !ok {
		i = int32(len(x.marks))
		text := string(bytes.ToValidUTF8(k.Mark, []byte("\uFFFD")))
		x.marks = append(x.marks, mark{k.MarkName, text, parseBound(text)})
		x.byText[string(x.scratch)] = i
	}
	x.mark = i
	return i
}

func (m *mark) is(k *Key) bool { return m.text == string(k.Mark) && m.name == k.MarkName }

func parseBound(text string) float64 {
	bound, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return bound
}

// count keeps what infer needs to know.
func (x *index) count(m int32, k *Key) {
	metric := &x.metrics[m]
	metric.parts[k.Part]++
	switch k.MarkName {
	case boundLabel:
		metric.bounds++
	case quantileLabel:
		metric.quantiles++
	}
}

func (x *index) link(it item) {
	i := int32(len(x.items))
	s := &x.sets[it.set]
	if s.items == 0 {
		s.first = i
	} else {
		x.items[s.last].next = i
	}
	s.last = i
	s.items++
	x.items = append(x.items, it)
}

// each yields the items of a set in the order of the file.
func (x *index) each(s int32, yield func(*item)) {
	i := x.sets[s].first
	for range x.sets[s].items {
		yield(&x.items[i])
		i = x.items[i].next
	}
}
