package stock

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

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
	scratch []byte // label set of the present entry
	text    []byte // key in byText
	texts   slabs  // of label sets
}

func newIndex() *index {
	return &index{byName: make(map[string]int32), byText: make(map[string]int32)}
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

// none stands for what is not there yet; noMark for that of an item that has none.
const (
	none   = -1
	noMark = -3
)

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
	parts      [Bucket + 1]int32
	quantiles  int32 // parts that a quantile tells
	bounds     int32 // parts that a le tells
	coined     int32 // marks that no metric had before it
	full       bool  // it has so many that a bound was refused

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

// reserve makes room for n more entries. parted: most are parts of few series.
func (x *index) reserve(n int, parted bool) {
	x.items = slices.Grow(x.items, n)
	if !parted {
		x.sets = slices.Grow(x.sets, n)
	}
}

// add takes up an entry. After an error nothing of it is kept.
func (x *index) add(off uint32, word int, k *Key) error {
	labels, err := mmapstore.AppendLabels(x.scratch[:0], k.Labels)
	x.scratch = labels[:0]
	if err != nil {
		return err
	}
	if len(k.Family) > mmapstore.MaxName {
		return fmt.Errorf("name of family %.40q: %w", k.Family, mmapstore.ErrLimit)
	}
	m := x.findMetric(k)
	s := x.findSet(m, k, labels)
	mark := x.findMark(k)
	if err := x.admit(m, s, mark, k); err != nil {
		return err
	}
	if m == none {
		m = x.addMetric(k, off)
	}
	x.metric = m
	if s == none {
		s = x.addSet(m, k, labels)
	}
	if mark == none {
		mark = x.addMark(k)
		x.metrics[m].coined++
	}
	if mark != noMark {
		x.mark = mark
	}
	x.count(m, k)
	x.link(item{off: off, word: int32(word), set: s, mark: mark, part: k.Part})
	return nil
}

// admit holds an entry to the limits. m, s and mark are none if they are new.
func (x *index) admit(m, s, mark int32, k *Key) error {
	switch {
	case m == none && len(x.metrics) >= mmapstore.MaxFamilies:
		return fmt.Errorf("family number %d: %w", len(x.metrics)+1, mmapstore.ErrLimit)
	case s == none && len(x.sets) >= mmapstore.MaxSeries:
		return fmt.Errorf("series number %d: %w", len(x.sets)+1, mmapstore.ErrLimit)
	case s != none && x.sets[s].items >= maxParts:
		return fmt.Errorf("more than %d parts of a series: %w", maxParts, mmapstore.ErrLimit)
	case m == none || mark != none || k.Part != Bucket || x.metrics[m].coined < mmapstore.MaxBounds:
		return nil
	case math.IsInf(parseBound(string(k.Mark)), +1):
		return nil // it is in every histogram
	case x.metrics[m].full:
		return errAgain
	}
	x.metrics[m].full = true
	return fmt.Errorf("more than %d bounds of %.40q: %w", mmapstore.MaxBounds, k.Family, mmapstore.ErrLimit)
}

// findMetric is the metric of the key, or none.
func (x *index) findMetric(k *Key) int32 {
	if int(x.metric) < len(x.metrics) && x.metrics[x.metric].name == string(k.Family) {
		return x.metric
	}
	if m, ok := x.byName[string(k.Family)]; ok {
		return m
	}
	return none
}

func (x *index) addMetric(k *Key, off uint32) int32 {
	m := int32(len(x.metrics))
	name := string(k.Family)
	x.metrics = append(x.metrics, metric{name: name, help: x.help(k), first: off, last: none})
	x.byName[name] = m
	return m
}

// noHelp is what the clients say where they know of none.
const noHelp = "Multiprocess metric"

// help makes a string of it, the same for neighbours that share it. Of one that
// is too long, the beginning must do.
func (x *index) help(k *Key) string {
	if !k.Helped {
		return noHelp
	}
	b := k.Help
	if len(b) > mmapstore.MaxHelp {
		end := mmapstore.MaxHelp
		for end > 0 && !utf8.RuneStart(b[end]) {
			end--
		}
		b = b[:end]
	}
	if n := len(x.metrics); n > 0 && x.metrics[n-1].help == string(b) {
		return x.metrics[n-1].help
	}
	return string(b)
}

// findSet is the set that a part of a series belongs to, or none. A value by
// itself has a set of its own.
func (x *index) findSet(m int32, k *Key, labels []byte) int32 {
	if k.Part == Value || m == none {
		return none
	}
	metric := &x.metrics[m]
	if s := metric.last; s != none && string(x.sets[s].labels) == string(labels) {
		return s
	}
	if s, ok := metric.byLabels[string(labels)]; ok {
		metric.last = s
		return s
	}
	return none
}

func (x *index) addSet(m int32, k *Key, labels []byte) int32 {
	s := int32(len(x.sets))
	x.sets = append(x.sets, set{metric: m, labels: mmapstore.Labels(x.texts.keep(labels))})
	if k.Part != Value {
		metric := &x.metrics[m]
		if metric.byLabels == nil {
			metric.byLabels = make(map[string]int32)
		}
		metric.byLabels[string(x.sets[s].labels)] = s
		metric.last = s
	}
	return s
}

// findMark is the mark of the key, noMark if it has none, or none if it is new.
func (x *index) findMark(k *Key) int32 {
	if k.MarkName == "" {
		return noMark
	}
	// Label sets of a histogram come with the same bounds in the same order.
	if next := x.mark + 1; int(next) < len(x.marks) && x.marks[next].is(k) {
		return next
	}
	x.text = append(append(append(x.text[:0], k.MarkName...), 0), k.Mark...)
	if i, ok := x.byText[string(x.text)]; ok {
		return i
	}
	return none
}

func (x *index) addMark(k *Key) int32 {
	i := int32(len(x.marks))
	text := string(bytes.ToValidUTF8(k.Mark, []byte("\uFFFD")))
	x.marks = append(x.marks, mark{k.MarkName, text, parseBound(text)})
	x.byText[string(x.text)] = i // findMark made it
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
