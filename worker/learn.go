package worker

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// maxLearned bounds how many labels a desc is tried with.
const maxLearned = 256

// learn finds out what a desc was made of, which it does not tell: it looks at
// how the desc behaves, not at how it prints.
func learn(desc *prometheus.Desc) (shape, mmapstore.Family, error) {
	sh, err := learnLabels(desc)
	if err != nil {
		return shape{}, mmapstore.Family{}, err
	}
	m, err := prometheus.NewConstMetric(desc, prometheus.UntypedValue, 0, make([]string, len(sh.variable))...)
	if err != nil {
		return shape{}, mmapstore.Family{}, err
	}
	r := prometheus.NewRegistry()
	if err := r.Register(oneMetric{m}); err != nil {
		return shape{}, mmapstore.Family{}, err
	}
	got, err := r.Gather()
	if err != nil || len(got) != 1 {
		return shape{}, mmapstore.Family{}, fmt.Errorf("gathered %d families: %w", len(got), err)
	}
	return sh, mmapstore.Family{Name: got[0].GetName(), Help: got[0].GetHelp(), Unit: got[0].GetUnit()}, nil
}

// learnLabels makes two label sets whose variable values all differ: what is
// equal in both is constant, and the values tell the order.
func learnLabels(desc *prometheus.Desc) (shape, error) {
	n, err := countLabels(desc)
	if err != nil {
		return shape{}, err
	}
	first, second := make([]string, n), make([]string, n)
	for i := range n {
		first[i], second[i] = strconv.Itoa(i), strconv.Itoa(i+n)
	}
	sh := shape{variable: make([]string, n)}
	again := prometheus.MakeLabelPairs(desc, second)
	for i, l := range prometheus.MakeLabelPairs(desc, first) {
		if l.GetValue() == again[i].GetValue() {
			sh.constant = append(sh.constant, mmapstore.Label{Name: l.GetName(), Value: l.GetValue()})
			continue
		}
		at, err := strconv.Atoi(l.GetValue())
		if err != nil {
			return shape{}, err
		}
		sh.variable[at] = l.GetName()
	}
	return sh, nil
}

// countLabels finds how many label values the desc takes.
func countLabels(desc *prometheus.Desc) (n int, err error) {
	if err := desc.Err(); err != nil {
		return 0, err
	}
	values := make([]string, maxLearned)
	for n := range maxLearned {
		if _, err = prometheus.NewConstMetric(desc, prometheus.UntypedValue, 0, values[:n]...); err == nil {
			return n, nil
		}
	}
	return 0, err
}

// oneMetric is a collector of one metric.
type oneMetric struct{ m prometheus.Metric }

func (o oneMetric) Describe(ch chan<- *prometheus.Desc) { ch <- o.m.Desc() }
func (o oneMetric) Collect(ch chan<- prometheus.Metric) { ch <- o.m }
