//go:build unix

package hermes

import (
	"encoding/binary"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// metric is an entry of the configuration and its series. It is guarded by the lock
// of its table.
type metric struct {
	Metric
	vec    *prometheus.MetricVec
	series map[string]*series // by key
	// last has the label sets that there were before there was this file, by key. They
	// count against the limit. A gauge of mode latest goes on from its value.
	last map[string]float64
	// labelSets is how many there are in series and last together.
	labelSets int

	words  int      // of a series in the file
	values [][]byte // of the labels, in their order, of the packet at hand
	key    []byte   // and their key
}

// series is a child of one of three types.
type series struct {
	counter  prometheus.Counter
	gauge    prometheus.Gauge
	observer prometheus.Observer // histogram or summary
}

func newMetric(f worker.Factory, m Metric) *metric {
	t := &metric{
		Metric: m, series: make(map[string]*series), last: make(map[string]float64), values: make([][]byte, len(m.Labels)),
		words: (&mmapstore.Family{Type: m.Type, Mode: m.Mode, Bounds: m.Buckets}).WordCount(1),
	}
	switch m.Type {
	case mmapstore.Counter:
		t.vec = f.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels).MetricVec
	case mmapstore.Gauge:
		t.vec = f.WithMode(m.Mode).NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels).MetricVec
	case mmapstore.Histogram:
		t.vec = f.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: m.Buckets}, m.Labels).MetricVec
	case mmapstore.Summary:
		t.vec = f.NewSummaryVec(prometheus.SummaryOpts{Name: m.Name, Help: m.Help}, m.Labels).MetricVec
	}
	return t
}

// add makes the series of the key and values at hand.
func (m *metric) add() *series {
	values := make([]string, len(m.values))
	for i, v := range m.values {
		values[i] = string(v)
	}
	child, err := m.vec.GetMetricWithLabelValues(values...)
	if err != nil {
		panic(err) // there is a value for each label, and they are UTF-8
	}
	s := &series{}
	switch child := child.(type) {
	case prometheus.Gauge: // before Counter, whose methods it has
		s.gauge = child
	case prometheus.Counter:
		s.counter = child
	case prometheus.Observer:
		s.observer = child
	}
	last, known := m.last[string(m.key)]
	if known && m.Mode == mmapstore.Latest {
		s.gauge.Set(last)
	}
	if !known {
		m.labelSets++
	}
	m.series[string(m.key)] = s
	return s
}

// remember notes a label set, the one at hand, that there was before there was this file.
func (m *metric) remember(value float64) {
	if _, known := m.last[string(m.key)]; !known {
		m.labelSets++
	}
	m.last[string(m.key)] = value
}

// isNew reports whether the label set at hand was never there.
func (m *metric) isNew() bool {
	_, known := m.last[string(m.key)]
	return !known
}

// arrange brings the labels of a packet into the order of the metric's, and makes
// their key. It reports false unless they are the metric's, all of them and no other.
func (m *metric) arrange(pairs []labelPair) bool {
	clear(m.values)
	for _, p := range pairs {
		i := m.labelIndex(p.name)
		if i < 0 {
			return false
		}
		if m.values[i] = p.value; p.value == nil { // null
			m.values[i] = []byte{}
		}
	}
	m.key = m.key[:0]
	for _, v := range m.values {
		if v == nil {
			return false
		}
		m.key = binary.AppendUvarint(m.key, uint64(len(v)))
		m.key = append(m.key, v...)
	}
	return true
}

// pairs are the labels from which arrange made a key.
func (m *metric) pairs(key string) []labelPair {
	var all []labelPair
	rest := []byte(key)
	for _, name := range m.Labels {
		n, size := binary.Uvarint(rest)
		end := size + int(n)
		all = append(all, labelPair{[]byte(name), rest[size:end:end]})
		rest = rest[end:]
	}
	return all
}

func (m *metric) labelIndex(name []byte) int {
	for i, l := range m.Labels {
		if string(name) == l {
			return i
		}
	}
	return -1
}

// fits reports whether the label set at hand is not too long for a file.
func (m *metric) fits() bool {
	pairs := make([]mmapstore.Label, len(m.Labels))
	for i, l := range m.Labels {
		pairs[i] = mmapstore.Label{Name: l, Value: string(m.values[i])}
	}
	_, err := mmapstore.EncodeLabels(pairs)
	return err == nil
}

// change is what a packet does to a series: to set it, or add to it, or observe.
type change struct {
	set bool
	by  float64
}

// read finds what a packet does to a series of the metric.
func (m *metric) read(p *packet, amounts bool) (change, reason) {
	if p.wrong&(fieldPayload|fieldLabels) != 0 {
		return change{}, badJSON
	}
	switch m.Type {
	case mmapstore.Counter:
		return readCounter(p, amounts)
	case mmapstore.Gauge:
		return readGauge(p)
	default:
		if p.wrong&fieldObservation != 0 {
			return change{}, badJSON
		}
		return change{by: p.observation.v}, accepted // without one Hermes observes 0
	}
}

// maxAmount is small enough that no number of datagrams makes a total infinite,
// which a counter would not take.
const maxAmount = math.MaxFloat64 / (1 << 64)

// readCounter: Hermes looks at no amount; with amounts one may be given under
// either name.
func readCounter(p *packet, amounts bool) (change, reason) {
	switch {
	case !amounts:
		return change{by: 1}, accepted
	case p.wrong&(fieldAmount|fieldValue) != 0:
		return change{}, badJSON
	}
	c := change{by: 1}
	if p.value.given {
		c.by = p.value.v
	}
	if p.amount.given {
		c.by = p.amount.v
	}
	if c.by < 0 || c.by > maxAmount {
		return change{}, badValue
	}
	return c, accepted
}

func readGauge(p *packet) (change, reason) {
	if p.wrong&(fieldOperation|fieldValue) != 0 {
		return change{}, badJSON
	}
	switch string(p.operation) {
	case "increment":
		return change{by: 1}, accepted
	case "decrement":
		return change{by: -1}, accepted
	case "set":
		if !p.value.given {
			return change{}, badValue
		}
		return change{set: true, by: p.value.v}, accepted
	case "":
		if p.value.given { // as the first version of Hermes had it
			return change{set: true, by: p.value.v}, accepted
		}
	}
	return change{}, badOperation
}

// apply makes a change.
func (s *series) apply(c change) {
	switch {
	case s.counter != nil && c.by == 1:
		s.counter.Inc()
	case s.counter != nil:
		s.counter.Add(c.by)
	case s.observer != nil:
		s.observer.Observe(c.by)
	case c.set:
		s.gauge.Set(c.by)
	default:
		s.gauge.Add(c.by)
	}
}

// value is what a gauge shows now, 0 of other types.
func (s *series) value() float64 {
	var out dto.Metric
	if s.gauge == nil || s.gauge.Write(&out) != nil {
		return 0
	}
	return out.GetGauge().GetValue()
}
