//go:build unix

package exporter

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/exposition"
	"github.com/promfold/promfold/mmapstore"
)

// censusFamilies makes families of a census. They are the same from merge to merge,
// but for their values, as long as there are the same directories. One merge runs at
// a time, and so does show.
type censusFamilies struct {
	label   string // with the path of the directory; "": all are summed up
	metrics []censusMetric

	samples  []censusSample // of the present census
	families []censusFamily
	known    []censusSample // of which families was made, but for their values
}

// censusSample is one value, and what tells it from others.
type censusSample struct {
	metric     int
	label, dir string
	value      float64
}

// censusFamily is a family, and which of the samples are its values.
type censusFamily struct {
	*exposition.Family
	samples []int
}

func newCensusFamilies(label string) *censusFamilies {
	return &censusFamilies{label: label, metrics: append(mergeMetrics(), dirMetrics()...)}
}

// names is the names of all metrics, of those too that are absent now.
func (c *censusFamilies) names() map[string]bool {
	names := make(map[string]bool)
	for i := range c.metrics {
		names[c.metrics[i].name] = true
	}
	return names
}

// Describe implements prometheus.Collector, so that nobody else registers the names.
func (c *censusFamilies) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.metrics {
		m := &c.metrics[i]
		var labels []string
		for _, l := range []string{m.label, c.dirLabel(m)} {
			if l != "" {
				labels = append(labels, l)
			}
		}
		ch <- prometheus.NewDesc(m.name, m.help, labels, nil)
	}
}

// Collect implements prometheus.Collector. Show is for the samples.
func (c *censusFamilies) Collect(chan<- prometheus.Metric) {}

func (c *censusFamilies) dirLabel(m *censusMetric) string {
	if m.ofDir == nil {
		return ""
	}
	return c.label
}

// show is the census as families.
func (c *censusFamilies) show(now *census) []aggregate.Family {
	c.take(now)
	if !slices.EqualFunc(c.samples, c.known, sameSample) {
		c.known = slices.Clone(c.samples)
		c.arrange()
	}
	words := make([]uint64, 0, len(c.samples))
	all := make([]aggregate.Family, len(c.families))
	for i, f := range c.families {
		begin := len(words)
		for _, sample := range f.samples {
			words = append(words, math.Float64bits(c.samples[sample].value))
		}
		all[i] = aggregate.Family{Family: f.Family, Values: words[begin:]}
	}
	return all
}

func sameSample(a, b censusSample) bool {
	return a.metric == b.metric && a.label == b.label && a.dir == b.dir
}

// take gathers the samples.
func (c *censusFamilies) take(now *census) {
	c.samples = c.samples[:0]
	next := censusSample{}
	emit := func(label string, v float64) {
		next.label, next.value = label, v
		c.samples = append(c.samples, next)
	}
	dirs := now.dirs
	if c.label == "" {
		dirs = []*dirCensus{now.sum()}
	}
	for i := range c.metrics {
		next.metric, next.dir = i, ""
		if m := &c.metrics[i]; m.ofMerge != nil {
			m.ofMerge(now, emit)
		} else {
			for _, d := range dirs {
				next.dir = d.path
				m.ofDir(d, emit)
			}
		}
	}
}

// arrange makes the families anew.
func (c *censusFamilies) arrange() {
	c.families = nil
	of := make(map[int][]int) // samples by metric
	for i, s := range c.samples {
		of[s.metric] = append(of[s.metric], i)
	}
	for metric, samples := range of {
		m := &c.metrics[metric]
		slices.SortFunc(samples, func(a, b int) int {
			x, y := &c.samples[a], &c.samples[b]
			return cmp.Or(strings.Compare(x.dir, y.dir), strings.Compare(x.label, y.label))
		})
		f := censusFamily{&exposition.Family{Name: m.name, Help: m.help, Type: m.typ}, samples}
		for _, i := range samples {
			f.Series = append(f.Series, exposition.Series{Labels: c.labels(m, &c.samples[i])})
		}
		c.families = append(c.families, f)
	}
}

func (c *censusFamilies) labels(m *censusMetric, s *censusSample) mmapstore.Labels {
	var pairs []mmapstore.Label
	if m.label != "" {
		pairs = append(pairs, mmapstore.Label{Name: m.label, Value: s.label})
	}
	if dir := c.dirLabel(m); dir != "" {
		pairs = append(pairs, mmapstore.Label{Name: dir, Value: s.dir})
	}
	labels, err := mmapstore.EncodeLabels(pairs)
	if err != nil {
		return "" // a path of absurd length, which no system has
	}
	return labels
}
