package redisstore

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// publicationKind is how much a publication said.
type publicationKind string

const (
	full       publicationKind = "full"      // schema and values
	valuesOnly publicationKind = "values"    // the schema is as it was
	heartbeat  publicationKind = "heartbeat" // all is as it was
)

// publisherMetrics are about a publisher.
type publisherMetrics struct {
	published map[publicationKind]*atomic.Uint64
	bytes     atomic.Uint64 // of publications, compressed
	returns   atomic.Uint64 // as another host
	baseless  atomic.Uint64 // beginnings without what was folded before
	standby   atomic.Bool   // another publisher has the directory
	waiting   atomic.Bool   // there is no directory
}

func newPublisherMetrics() *publisherMetrics {
	return &publisherMetrics{published: map[publicationKind]*atomic.Uint64{full: {}, valuesOnly: {}, heartbeat: {}}}
}

func (m *publisherMetrics) count(sent message) {
	m.published[sent.kind].Add(1)
	m.bytes.Add(uint64(len(sent.schema) + len(sent.values)))
}

// PublishersCollector is metrics about publishers, of all together: of those that all
// gives at the moment.
func PublishersCollector(all func() []*Publisher) prometheus.Collector {
	return publishersCollector(all)
}

type publishersCollector func() []*Publisher

var (
	descPublications = prometheus.NewDesc("promfold_redis_publications_total",
		"Publications that Redis acknowledged, by how much they said.", []string{"kind"}, nil)
	descPublishedBytes = prometheus.NewDesc("promfold_redis_publication_bytes_total",
		"Bytes of schemas and values in these publications, compressed.", nil, nil)
	descPublishFailures = prometheus.NewDesc("promfold_redis_publish_failures_total",
		"Publications that failed.", nil, nil)
	descPublishing = prometheus.NewDesc("promfold_redis_publishers",
		"Publishers of directories, by how their last try went; standby: another process publishes the directory; waiting: there is none.", []string{"state"}, nil)
	descPublished = prometheus.NewDesc("promfold_redis_last_publication_timestamp_seconds",
		"When Redis acknowledged a publication last; of several directories the one that is behind most. 0 if one never did.", nil, nil)
	descReturns = prometheus.NewDesc("promfold_redis_host_returns_total",
		"Returns as another host, after readers had folded this one.", nil, nil)
	descBaseless = prometheus.NewDesc("promfold_redis_host_returns_without_base_total",
		"Returns at which nobody knew what was folded before, so that counts since the last publication are lost to the fleet.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c publishersCollector) Describe(ch chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, ch)
}

// Collect implements prometheus.Collector.
func (c publishersCollector) Collect(ch chan<- prometheus.Metric) {
	published := map[publicationKind]uint64{full: 0, valuesOnly: 0, heartbeat: 0}
	states := map[string]int{"ok": 0, "failing": 0, "standby": 0, "waiting": 0}
	var bytes, failures, returns, baseless uint64
	oldest := -1.0
	for _, p := range c() {
		m := p.metrics
		for kind, n := range m.published {
			published[kind] += n.Load()
		}
		bytes, returns, baseless = bytes+m.bytes.Load(), returns+m.returns.Load(), baseless+m.baseless.Load()
		ok, failed, good := p.health.state()
		failures += failed
		switch {
		case m.standby.Load():
			states["standby"]++
			continue
		case m.waiting.Load():
			states["waiting"]++
			continue
		case ok:
			states["ok"]++
		default:
			states["failing"]++
		}
		at := 0.0
		if !good.IsZero() {
			at = float64(good.UnixNano()) / 1e9
		}
		if oldest < 0 || at < oldest {
			oldest = at
		}
	}
	for kind, n := range published {
		ch <- prometheus.MustNewConstMetric(descPublications, prometheus.CounterValue, float64(n), string(kind))
	}
	for state, n := range states {
		ch <- prometheus.MustNewConstMetric(descPublishing, prometheus.GaugeValue, float64(n), state)
	}
	ch <- prometheus.MustNewConstMetric(descPublishedBytes, prometheus.CounterValue, float64(bytes))
	ch <- prometheus.MustNewConstMetric(descPublishFailures, prometheus.CounterValue, float64(failures))
	ch <- prometheus.MustNewConstMetric(descReturns, prometheus.CounterValue, float64(returns))
	ch <- prometheus.MustNewConstMetric(descBaseless, prometheus.CounterValue, float64(baseless))
	if oldest >= 0 {
		ch <- prometheus.MustNewConstMetric(descPublished, prometheus.GaugeValue, oldest)
	}
}
