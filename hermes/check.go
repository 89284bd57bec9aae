//go:build unix

package hermes

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/mmapstore"
)

// ownPrefix begins the names of promfold's own metrics.
const ownPrefix = "promfold_"

// check finds what would not make a metric.
func (m *Metric) check() error {
	switch {
	case m.Name == "":
		return errors.New("metric_name: missing")
	case len(m.Name) > mmapstore.MaxName || !model.LegacyValidation.IsValidMetricName(m.Name):
		return fmt.Errorf("metric_name: %.80q is not the name of a metric", m.Name)
	case strings.HasPrefix(m.Name, ownPrefix):
		return fmt.Errorf("metric_name: names that begin with %s are promfold's own", ownPrefix)
	case len(m.Help) > mmapstore.MaxHelp:
		return fmt.Errorf("metric_description: %d bytes, of at most %d", len(m.Help), mmapstore.MaxHelp)
	}
	if err := m.checkLabels(); err != nil {
		return err
	}
	return m.checkBuckets()
}

func (m *Metric) checkLabels() error {
	for i, l := range m.Labels {
		switch {
		case !model.LegacyValidation.IsValidLabelName(l) || strings.HasPrefix(l, model.ReservedLabelPrefix):
			return fmt.Errorf("labels: %.80q is not the name of a label", l)
		case slices.Contains(m.Labels[:i], l):
			return fmt.Errorf("labels: %q is there twice", l)
		case l == m.reservedLabel():
			return fmt.Errorf("labels: %q is the exposition's own in a %s", l, m.kind())
		}
	}
	pairs := make([]mmapstore.Label, len(m.Labels))
	for i, l := range m.Labels {
		pairs[i].Name = l
	}
	if _, err := mmapstore.EncodeLabels(pairs); err != nil {
		return fmt.Errorf("labels: no file can hold them: %w", err)
	}
	return nil
}

// reservedLabel is the label that the exposition adds to such a metric, or "".
func (m *Metric) reservedLabel() string {
	switch {
	case m.Type == mmapstore.Histogram:
		return model.BucketLabel
	case m.Type == mmapstore.Summary:
		return model.QuantileLabel
	case m.Mode.PerProcess():
		return "pid"
	default:
		return ""
	}
}

// kind names the type, and the mode if there is one.
func (m *Metric) kind() string {
	if m.Type == mmapstore.Gauge {
		return "gauge of mode " + m.Mode.String()
	}
	return m.Type.String()
}

func (m *Metric) checkBuckets() error {
	if len(m.Buckets) > mmapstore.MaxBounds {
		return fmt.Errorf("buckets: %d, of at most %d", len(m.Buckets), mmapstore.MaxBounds)
	}
	last := math.Inf(-1)
	for _, b := range m.Buckets {
		if !(b > last) {
			return fmt.Errorf("buckets: %v follows %v, but they must ascend", b, last)
		}
		last = b
	}
	return nil
}

// ownFamilies is how many of a file's families are the listener's own.
const ownFamilies = 3

// check finds what does not go together.
func (c *Config) check() error {
	if n := len(c.Metrics); n > mmapstore.MaxFamilies-ownFamilies {
		return &ConfigError{Reason: fmt.Sprintf("%d metrics, of at most %d", n, mmapstore.MaxFamilies-ownFamilies)}
	}
	return c.checkNames()
}

// checkNames finds metrics that would share a sample's name.
func (c *Config) checkNames() error {
	owner := make(map[string]string)
	for i := range c.Metrics {
		m := &c.Metrics[i]
		for _, sample := range m.sampleNames() {
			if other, taken := owner[sample]; taken {
				return &ConfigError{Entry: m.Name, Reason: fmt.Sprintf("its samples %s are those of %s", sample, other)}
			}
			owner[sample] = m.Name
		}
	}
	return nil
}

// sampleNames are the names under which the exposition has the metric.
func (m *Metric) sampleNames() []string {
	names := []string{m.Name}
	switch m.Type {
	case mmapstore.Histogram:
		names = append(names, m.Name+"_bucket", m.Name+"_sum", m.Name+"_count")
	case mmapstore.Summary:
		names = append(names, m.Name+"_sum", m.Name+"_count")
	}
	return names
}
