//go:build unix

package hermes

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/worker"
)

// table is the metrics of one configuration, in a file of their own. It is for one
// goroutine at a time.
type table struct {
	store   *worker.Store
	config  *Config
	options *Options
	metrics map[string]*metric
	tally
	// series and words are what the file holds beside the tally. It has caps that
	// many metrics of Options.MaxSeries can reach together.
	series, words int
}

// tally counts datagrams in the same file as what they say: after a kill of this
// process the two differ by one datagram at most.
type tally struct {
	accepted prometheus.Counter
	rejected [numberOfReasons]prometheus.Counter
	dropped  prometheus.Counter
}

func newTally(f worker.Factory) tally {
	t := tally{
		accepted: f.NewCounter(prometheus.CounterOpts{
			Name: "promfold_hermes_packets_accepted_total", Help: "Datagrams of Hermes clients that were counted.",
		}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "promfold_hermes_packets_dropped_total",
			Help: "Datagrams of Hermes clients that the kernel dropped, as the buffer of the socket was full.",
		}),
	}
	rejected := f.NewCounterVec(prometheus.CounterOpts{
		Name: "promfold_hermes_packets_rejected_total", Help: "Datagrams of Hermes clients that were not counted, by reason.",
	}, []string{"reason"})
	for r := accepted + 1; r < numberOfReasons; r++ {
		t.rejected[r] = rejected.WithLabelValues(r.String())
	}
	return t
}

// newTable makes the metrics of a configuration in a new file. The table is usable
// beside an error: it counts in memory, and in the file once that can be made.
func newTable(c *Config, o *Options) (*table, error) {
	store, err := worker.New(o.Dir, worker.WithIdentity(identity), worker.WithLogger(o.Logger))
	f := worker.With(store)
	t := &table{
		store: store, config: c, options: o, tally: newTally(f),
		metrics: make(map[string]*metric, len(c.Metrics)), series: numberOfReasons + 1,
	}
	for _, m := range c.Metrics {
		t.metrics[m.Name] = newMetric(f, m)
	}
	return t, err
}

// find is what a packet does, and to which series, which is made if it is not there;
// or says why it can do nothing.
func (t *table) find(p *packet) (r remembered, why reason) {
	m, ok := t.metrics[string(p.metric)]
	if !ok {
		return r, unknownMetric
	}
	if r.change, why = m.read(p, t.options.CounterAmounts); why != accepted {
		return r, why
	}
	if !m.arrange(p.labels) {
		return r, badLabels
	}
	if r.series, ok = m.series[string(m.key)]; ok {
		return r, accepted
	}
	if why := t.mayAdd(m); why != accepted {
		return r, why
	}
	r.series = t.add(m)
	return r, accepted
}

// mayAdd says whether the metric gets a series for the labels at hand.
func (t *table) mayAdd(m *metric) reason {
	switch {
	case !m.fits():
		return badLabels
	case len(m.series) >= t.options.MaxSeries, t.series >= mmapstore.MaxSeries, t.words+m.words > mmapstore.MaxWords/2:
		return seriesLimit
	default:
		return accepted
	}
}

func (t *table) add(m *metric) *series {
	t.series++
	t.words += m.words
	return m.add()
}

// resume takes gauges from what a merge showed before this process began.
func (t *table) resume(families []*dto.MetricFamily) {
	for _, f := range families {
		m, ok := t.metrics[f.GetName()]
		if !ok || m.Mode != mmapstore.Latest || f.GetType() != dto.MetricType_GAUGE {
			continue
		}
		for _, s := range f.Metric {
			var pairs []labelPair
			for _, l := range s.Label {
				pairs = append(pairs, labelPair{[]byte(l.GetName()), []byte(l.GetValue())})
			}
			if m.arrange(pairs) {
				m.last[string(m.key)] = s.GetGauge().GetValue()
			}
		}
	}
}

// follow takes the gauges of an earlier table, which is closed by now: those that
// live as long as their process must not leave with its file.
func (t *table) follow(old *table) {
	for name, m := range t.metrics {
		was, ok := old.metrics[name]
		if !ok || m.Mode != was.Mode || !slices.Equal(m.Labels, was.Labels) {
			continue
		}
		switch {
		case m.Mode == mmapstore.Latest: // the file still tells when it was set
			m.last = was.last
			for key, s := range was.series {
				m.last[key] = s.value()
			}
		case m.Mode.Live() || m.Mode.PerProcess():
			for key, s := range was.series {
				m.recall(key)
				t.add(m).gauge.Set(s.value())
			}
		}
	}
}
