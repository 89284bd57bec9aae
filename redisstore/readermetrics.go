package redisstore

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// readerMetrics are about a reader.
type readerMetrics struct {
	namespace string
	bad       complaints
	malformed atomic.Int64  // entries of the index
	folded    atomic.Uint64 // hosts
	commits   atomic.Uint64
	restored  atomic.Uint64
	lost      atomic.Uint64

	mu         sync.Mutex
	states     map[string]int64 // hosts
	generation uint64
}

func newReaderMetrics(namespace string) *readerMetrics {
	return &readerMetrics{namespace: namespace, states: map[string]int64{"live": 0, "expired": 0, "final": 0}}
}

func (m *readerMetrics) note(states map[string]int64, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states, m.generation = states, generation
}

// complaints are said once for each key and text, and counted.
type complaints struct {
	count atomic.Uint64

	mu   sync.Mutex
	said map[string]string
}

// maxSaid bounds of how many keys it is remembered what was said.
const maxSaid = 1000

func (c *complaints) say(log *slog.Logger, key string, err error) {
	c.count.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said[key] == err.Error() {
		return
	}
	if c.said == nil || len(c.said) > maxSaid {
		c.said = make(map[string]string)
	}
	c.said[key] = err.Error()
	log.Warn("What a host has in Redis cannot be read: it takes part with the last that could", "key", key, "err", err)
}

func (m *readerMetrics) collectors() []prometheus.Collector { return []prometheus.Collector{m} }

func (m *readerMetrics) desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("promfold_redis_"+name, help, labels, prometheus.Labels{"namespace": m.namespace})
}

// Describe implements prometheus.Collector.
func (m *readerMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *readerMetrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	states, generation := m.states, m.generation
	m.mu.Unlock()
	counter := func(name, help string, n uint64) {
		ch <- prometheus.MustNewConstMetric(m.desc(name, help), prometheus.CounterValue, float64(n))
	}
	hosts := m.desc("hosts", "Hosts of the namespace that are not folded, by state.", "state")
	for state, n := range states {
		ch <- prometheus.MustNewConstMetric(hosts, prometheus.GaugeValue, float64(n), state)
	}
	ch <- prometheus.MustNewConstMetric(m.desc("archive_generation", "Generation of the namespace's archive, one more with each commit of any reader."),
		prometheus.GaugeValue, float64(generation))
	ch <- prometheus.MustNewConstMetric(m.desc("malformed_entries", "Entries of the namespace's index that cannot be read."),
		prometheus.GaugeValue, float64(m.malformed.Load()))
	counter("read_errors_total", "Publications and entries of the index that could not be read, each time they were looked at.", m.bad.count.Load())
	counter("folded_hosts_total", "Hosts that this reader has folded.", m.folded.Load())
	counter("archive_commits_total", "Archives that this reader has put in force.", m.commits.Load())
	counter("restored_total", "Archives and hosts that Redis had lost and that this reader has put back.", m.restored.Load())
	counter("lost_hosts_total", "Hosts whose counts Redis has lost after they were folded, and that this reader did not know any more.", m.lost.Load())
}
