package aggregate

import (
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/promfold/promfold/internal/escape"
	"github.com/promfold/promfold/mmapstore"
)

// Result is one merge.
type Result struct {
	// Families, sorted by name, their metrics sorted by labels. They belong to
	// the caller.
	Families []*dto.MetricFamily
	// Spelling is, by name of the family, how the sources write those bounds of
	// buckets that the text format would write otherwise; nil if there is none.
	// The texts of a family are shared between results and must not be changed.
	Spelling map[string]map[float64]string
	// Series is the number of metrics in Families.
	Series int
	// Conflicts names the families about which sources disagree.
	Conflicts []Conflict
	// Invalid is the number of values that were left out because no process
	// can have counted them: negative or non-finite counters.
	Invalid int
}

func (m *Merger) result() *Result {
	groups := m.sortedGroups()
	r := &Result{Invalid: m.invalid, Conflicts: conflicts(groups)}
	clashing := clashes(groups, r)
	for _, g := range groups {
		if clashing[g] {
			continue
		}
		if f := m.exposeFamily(g.shown); f != nil {
			r.Families = append(r.Families, f)
			r.Series += len(f.Metric)
			r.spell(g.shown)
		}
	}
	return r
}

func (r *Result) spell(v *variant) {
	texts := v.spelling.differing()
	if texts == nil {
		return
	}
	if r.Spelling == nil {
		r.Spelling = make(map[string]map[float64]string)
	}
	r.Spelling[v.name] = texts
}

// exposeFamily is nil for a family without a series to show.
func (m *Merger) exposeFamily(v *variant) *dto.MetricFamily {
	help, unit := v.help, v.unit // the next merge may change v while f is read
	f := &dto.MetricFamily{Name: &v.name, Help: &help, Type: dtoType(v.typ).Enum()}
	if unit != "" {
		f.Unit = &unit
	}
	for _, s := range v.order {
		if metric := s.expose(m.began); metric != nil {
			f.Metric = append(f.Metric, metric)
		}
	}
	if len(f.Metric) == 0 {
		return nil
	}
	return f
}

func dtoType(t mmapstore.Type) dto.MetricType {
	switch t {
	case mmapstore.Counter:
		return dto.MetricType_COUNTER
	case mmapstore.Histogram:
		return dto.MetricType_HISTOGRAM
	case mmapstore.Summary:
		return dto.MetricType_SUMMARY
	case mmapstore.Untyped:
		return dto.MetricType_UNTYPED
	default: // the exposition formats know info and stateset as gauges
		return dto.MetricType_GAUGE
	}
}

// visible reports whether the series is to be seen now.
func (s *series) visible() bool {
	if s.life.contributors == 0 || s.life.hidden() || s.ambiguous {
		return false
	}
	if s.family.typ.Cumulative() {
		return true
	}
	_, ok := s.exposeGauge()
	return ok
}

// expose is nil for a series that is not to be seen now.
func (s *series) expose(now int64) *dto.Metric {
	if !s.visible() {
		s.shown = shown{} // when it returns it may start from zero
		return nil
	}
	s.shown.begin(s.life.createdTime(), now)
	metric := &dto.Metric{}
	switch s.family.typ {
	case mmapstore.Counter:
		v := s.shown.holdValue(s.value())
		metric.Counter = &dto.Counter{Value: &v, CreatedTimestamp: s.createdTimestamp()}
	case mmapstore.Untyped:
		v := s.value()
		metric.Untyped = &dto.Untyped{Value: &v}
	case mmapstore.Histogram:
		metric.Histogram = s.exposeHistogram()
	case mmapstore.Summary:
		count, sum := s.shown.holdCount(s.count), s.shown.holdSum(s.sum.value())
		metric.Summary = &dto.Summary{SampleCount: &count, SampleSum: &sum, CreatedTimestamp: s.createdTimestamp()}
	default:
		v, _ := s.exposeGauge()
		metric.Gauge = &dto.Gauge{Value: &v}
	}
	metric.Label = labelPairs(s.labels)
	return metric
}

// exposeGauge reports false where no process has set the gauge, and the mode
// takes only those that did.
func (s *series) exposeGauge() (value float64, ok bool) {
	switch mode := s.family.mode; {
	case summed(mode):
		return s.sum.value(), s.gauge.present
	case mode.PerProcess():
		return s.gauge.value, s.gauge.present
	default:
		return s.gauge.value, s.gauge.set
	}
}

func (s *series) exposeHistogram() *dto.Histogram {
	cumulative := make([]uint64, len(s.buckets))
	var total uint64
	for i, n := range s.buckets {
		total = addCapped(total, n)
		cumulative[i] = total
	}
	s.shown.holdBuckets(cumulative)
	h := &dto.Histogram{
		SampleCount:      &cumulative[len(s.bounds)],
		CreatedTimestamp: s.createdTimestamp(),
		Bucket:           make([]*dto.Bucket, len(s.bounds)),
	}
	sum := s.shown.holdSum(s.sum.value())
	h.SampleSum = &sum
	for i := range s.bounds {
		bound := s.bounds[i]
		h.Bucket[i] = &dto.Bucket{UpperBound: &bound, CumulativeCount: &cumulative[i]}
	}
	return h
}

func (s *series) createdTimestamp() *timestamppb.Timestamp {
	at := s.life.createdTime()
	if at == 0 || at == s.shown.early {
		return nil // told later, it would look like a reset to Prometheus
	}
	return timestamppb.New(time.Unix(0, at))
}

func labelPairs(labels mmapstore.Labels) []*dto.LabelPair {
	var pairs []*dto.LabelPair
	for name, value := range labels.All() {
		name = escape.Label(name)
		pairs = append(pairs, &dto.LabelPair{Name: &name, Value: &value})
	}
	return pairs
}
