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
	// series and words are what the file holds. It has caps that many metrics of
	// Options.MaxSeries can reach together; half of the words may be gaps.
	series, words       int
	maxSeries, maxWords int
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
		metrics: make(map[string]*metric, len(c.Metrics)),
		series:  numberOfReasons + 1, maxSeries: mmapstore.MaxSeries, maxWords: mmapstore.MaxWords / 2,
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
	case m.isNew() && m.labelSets >= t.options.MaxSeries, t.series >= t.maxSeries, t.words+m.words > t.maxWords:
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

// resume takes label sets, and the values of gauges, from what a merge shows.
func (t *table) resume(families []*dto.MetricFamily) {
	for _, f := range families {
		m, ok := t.metrics[f.GetName()]
		if !ok {
			continue
		}
		for _, s := range f.Metric {
			var pairs []labelPair
			for _, l := range s.Label {
				pairs = append(pairs, labelPair{[]byte(l.GetName()), []byte(l.GetValue())})
			}
			if m.arrange(pairs) {
				m.remember(s.GetGauge().GetValue())
			}
		}
	}
}

// continues reports whether a metric is the same as in another table, but perhaps for
// its help, its buckets, or the order of its labels.
func (m *metric) continues(was *metric) bool {
	return was != nil && m.Type == was.Type && m.Mode == was.Mode &&
		slices.Equal(slices.Sorted(slices.Values(m.Labels)), slices.Sorted(slices.Values(was.Labels)))
}

// hasOthers reports whether the table has metrics that do not continue those of an
// earlier one.
func (t *table) hasOthers(old *table) bool {
	for name, m := range t.metrics {
		if !m.continues(old.metrics[name]) {
			return true
		}
	}
	return false
}

// carried is a gauge that goes from one table into the next.
type carried struct {
	to     *metric
	labels []labelPair
	value  float64
}

// take takes the label sets of an earlier table. Gauges leave its file, but those of mode
// latest, which the file says the time of: what they show is to depend on when they were
// set, and not on when somebody has reloaded. They are for give, once it is closed.
func (t *table) take(old *table) (gauges []carried) {
	for name, m := range t.metrics {
		was := old.metrics[name]
		if !m.continues(was) {
			continue
		}
		moves := m.Type == mmapstore.Gauge && m.Mode != mmapstore.Latest
		for key, value := range was.last {
			if m.arrange(was.pairs(key)) {
				m.remember(value)
			}
		}
		for key, s := range was.series {
			labels := was.pairs(key)
			switch {
			case moves:
				gauges = append(gauges, carried{m, labels, s.value()})
			case m.arrange(labels):
				m.remember(s.value())
			}
		}
		if moves {
			was.vec.Reset()
		}
	}
	return gauges
}

// give sets the gauges that were taken.
func (t *table) give(gauges []carried) {
	for _, g := range gauges {
		if g.to.arrange(g.labels) {
			t.add(g.to).gauge.Set(g.value)
		}
	}
}
