package worker

import (
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/promfold/promfold/mmapstore"
)

// mirror is a series of the file that follows a metric elsewhere. What it
// follows may start again from zero; its cumulative cells never go down. All
// fields beyond core are guarded by the upkeep lock.
type mirror struct {
	core
	gone bool // marked deleted
	// last is what was seen last, and offset what all lives before came to.
	last, offset reading
}

// reading is the value of a cumulative metric: its float (the value of a
// counter, the sum of others) and its counts, in the order of the file.
type reading struct {
	float  float64
	counts []uint64
}

func newMirror(f *family, labels mmapstore.Labels) *mirror {
	m := &mirror{}
	m.init(f, m)
	m.labels = labels
	m.created = time.Unix(0, 0) // unknown
	m.state = homeless
	return m
}

// point implements pointed. A mirror is written under its lock alone.
func (m *mirror) point([]mmapstore.Word, bool) {}

// take brings a gathered value into the file.
func (m *mirror) take(d *dto.Metric) {
	m.settleIn(d)
	m.resume()
	if !m.family.cumulative() {
		m.setGauge(d.GetGauge().GetValue())
		return
	}
	r := m.read(d)
	if m.restarted(r) {
		m.offset = m.last.plus(m.offset)
	}
	m.last = r
	m.store(r.plus(m.offset))
}

// settleIn finds a place for a series that is new or has come back.
func (m *mirror) settleIn(d *dto.Metric) {
	s := m.family.store
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.gone || m.state == loose && m.stood():
		// Its place still holds what it had counted, and what a native metric
		// did there since: it goes on from that with what is more than last.
		m.mu.Lock()
		m.words = heap(m.heapWords())
		m.offset = m.last.negative()
		m.mu.Unlock()
	case m.state != homeless || m.dropped:
		return
	}
	if ct := created(d); ct.IsValid() {
		m.created = ct.AsTime()
	}
	m.state = homeless
	s.place(&m.core)
}

// stood reports whether the mirror ever had a place.
func (m *mirror) stood() bool { return m.slot.Cells != nil }

// resume takes over what the place held when the mirror moved in.
func (m *mirror) resume() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.start != nil {
		m.offset = m.split(m.start).plus(m.offset)
	}
	m.start, m.gone = nil, false
}

// remove marks the series deleted. It reports whether the mirror must be kept:
// the series had a place, and may come back.
func (m *mirror) remove() bool {
	if m.gone {
		return true
	}
	s := m.family.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bury(&m.core)
	m.gone = true
	return m.stood()
}

// split takes words of the file apart.
func (m *mirror) split(words []uint64) reading {
	i := m.floatWord()
	return reading{math.Float64frombits(words[i]), slices.Delete(slices.Clone(words), i, i+1)}
}

// store writes a cumulative value, never below what is there. Sums may fall:
// negative values can be observed.
func (m *mirror) store(r reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := 0
	for i := range m.words {
		if i != m.floatWord() {
			m.words[i].Store(max(m.words[i].Load(), r.counts[at]))
			at++
			continue
		}
		v := r.float
		if m.family.meta.Type == mmapstore.Counter {
			v = max(v, math.Float64frombits(m.words[i].Load()))
		}
		m.words[i].Store(math.Float64bits(v))
	}
}

// setGauge sets the gauge; in the timed modes only if it changed, as the time is
// that of the last update.
func (m *mirror) setGauge(v float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, _, set := readGauge(m.words)
	if len(m.words) == timedWords && set && math.Float64bits(old) == math.Float64bits(v) {
		return
	}
	writeGauge(m.words, v, time.Now().UnixNano())
}

// read takes a gathered metric apart. Values that no total recovers from are
// left out, as in a native metric.
func (m *mirror) read(d *dto.Metric) reading {
	r := reading{counts: make([]uint64, m.heapWords()-1)}
	switch m.family.meta.Type {
	case mmapstore.Counter:
		r.float = d.GetCounter().GetValue()
	case mmapstore.Untyped:
		r.float = d.GetUntyped().GetValue()
	case mmapstore.Summary:
		r.float, r.counts[0] = d.GetSummary().GetSampleSum(), d.GetSummary().GetSampleCount()
	case mmapstore.Histogram:
		r.float = d.GetHistogram().GetSampleSum()
		spread(r.counts, d.GetHistogram())
	}
	if !finite(r.float) || !finite(r.float+m.offset.float) || !finite(r.float+m.last.float+m.offset.float) {
		m.reject()
		r.float = m.last.float
	}
	return r
}

// spread fills in the counts of single buckets, +Inf last.
func spread(counts []uint64, h *dto.Histogram) {
	var below uint64
	at := 0
	for _, b := range h.GetBucket() {
		if math.IsInf(b.GetUpperBound(), +1) {
			continue
		}
		n := max(b.GetCumulativeCount(), below)
		counts[at] = n - below
		below = n
		at++
	}
	counts[at] = max(h.GetSampleCount(), below) - below
}

// restarted reports whether the metric has begun again since the last reading.
func (m *mirror) restarted(r reading) bool {
	for i := range m.last.counts {
		if r.counts[i] < m.last.counts[i] {
			return true
		}
	}
	return m.family.meta.Type == mmapstore.Counter && r.float < m.last.float
}

// plus adds a reading that may be empty.
func (r reading) plus(o reading) reading {
	sum := reading{r.float + o.float, slices.Clone(r.counts)}
	for i, n := range o.counts {
		sum.counts[i] += n
	}
	return sum
}

// negative is what plus takes away with. Counts wrap around.
func (r reading) negative() reading {
	neg := reading{-r.float, slices.Clone(r.counts)}
	for i, n := range neg.counts {
		neg.counts[i] = -n
	}
	return neg
}

// created is when a metric says that it began; not valid if it does not say.
func created(d *dto.Metric) *timestamppb.Timestamp {
	switch {
	case d.GetCounter() != nil:
		return d.GetCounter().GetCreatedTimestamp()
	case d.GetHistogram() != nil:
		return d.GetHistogram().GetCreatedTimestamp()
	default:
		return d.GetSummary().GetCreatedTimestamp()
	}
}
