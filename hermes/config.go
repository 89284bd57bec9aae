//go:build unix

package hermes

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// Config is which metrics datagrams can change. It is Hermes' own file with two
// fields more: buckets and mode.
type Config struct {
	Metrics []Metric
	// Ignored names the fields that nobody knows, as "counters[0].label". Hermes
	// takes no notice of such, so they are no error.
	Ignored []string
}

// Metric is one entry of the configuration.
type Metric struct {
	Type   mmapstore.Type // Counter, Gauge, Histogram or Summary
	Name   string
	Help   string
	Labels []string
	// Buckets are the upper bounds of a histogram, ascending, without +Inf. Without the
	// field they are prometheus.DefBuckets, as in Hermes.
	Buckets []float64
	// Mode is how a gauge merges with gauges of its name elsewhere, and with itself
	// before a restart. Default: Latest, for which there is one value, and that stays.
	Mode mmapstore.Mode
}

// ConfigError is why a configuration is refused.
type ConfigError struct {
	Path   string // of the file; "" from ParseConfig
	Entry  string // as in "counters[2] (jobs_total)"; "" if it is the file as a whole
	Reason string
}

func (e *ConfigError) Error() string {
	parts := []string{e.Path, e.Entry, e.Reason}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// LoadConfig reads the file at path. It fails with a *ConfigError, or with what the
// file system says.
func LoadConfig(path string) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(b)
	var refused *ConfigError
	if errors.As(err, &refused) {
		refused.Path = path
	}
	return c, err
}

// sections are the lists of the file, in the order of Hermes' documentation.
var sections = []struct {
	name string
	of   mmapstore.Type
}{
	{"gauges", mmapstore.Gauge}, {"counters", mmapstore.Counter},
	{"histograms", mmapstore.Histogram}, {"summaries", mmapstore.Summary},
}

// ParseConfig reads the text of a file. It fails with a *ConfigError about the first
// thing that is wrong.
func ParseConfig(b []byte) (*Config, error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, &ConfigError{Reason: syntax(b, err)}
	}
	if file == nil { // null
		return nil, &ConfigError{Reason: syntax(b, nil)}
	}
	c := &Config{Ignored: unknown(file, "", "service_name", "gauges", "counters", "histograms", "summaries")}
	for _, s := range sections {
		var entries []json.RawMessage
		if err := pick(file, s.name, &entries); err != nil {
			return nil, &ConfigError{Entry: s.name, Reason: err.Error()}
		}
		for i, raw := range entries {
			entry := fmt.Sprintf("%s[%d]", s.name, i)
			m, ignored, err := parseMetric(raw, s.of, entry)
			if err == nil {
				err = m.check()
			}
			if err != nil {
				if m.Name != "" {
					entry += " (" + m.Name + ")"
				}
				return nil, &ConfigError{Entry: entry, Reason: err.Error()}
			}
			c.Metrics, c.Ignored = append(c.Metrics, m), append(c.Ignored, ignored...)
		}
	}
	return c, c.check()
}

// syntax says where a text is no JSON, or what the file is instead of an object.
func syntax(b []byte, err error) string {
	var bad *json.SyntaxError
	if errors.As(err, &bad) {
		line := 1 + strings.Count(string(b[:min(int(bad.Offset), len(b))]), "\n")
		return fmt.Sprintf("line %d: not JSON: %v", line, err)
	}
	return "not a JSON object"
}

// parseMetric reads one entry, and which of its fields nobody knows. What it could
// read stands in m beside an error.
func parseMetric(raw json.RawMessage, of mmapstore.Type, entry string) (m Metric, ignored []string, err error) {
	m.Type = of
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return m, nil, errors.New("not a JSON object")
	}
	var mode *string
	var buckets []*float64
	for _, f := range []struct {
		name string
		to   any
	}{
		{"metric_name", &m.Name}, {"metric_description", &m.Help}, {"labels", &m.Labels},
		{"buckets", &buckets}, {"mode", &mode},
	} {
		if err := pick(fields, f.name, f.to); err != nil {
			return m, nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if m.Buckets, err = bounds(of, buckets); err != nil {
		return m, nil, fmt.Errorf("buckets: %w", err)
	}
	if mode != nil && of != mmapstore.Gauge {
		return m, nil, errors.New("mode: only gauges have one")
	}
	if of == mmapstore.Gauge {
		m.Mode = mmapstore.Latest
	}
	if mode != nil {
		if m.Mode, err = mmapstore.ParseMode(*mode); err != nil {
			return m, nil, fmt.Errorf("mode: %w", err)
		}
	}
	return m, unknown(fields, entry+".", "metric_name", "metric_description", "labels", "buckets", "mode"), nil
}

// bounds are the buckets of a metric, which histograms have by default.
func bounds(of mmapstore.Type, given []*float64) ([]float64, error) {
	switch {
	case of != mmapstore.Histogram && given != nil:
		return nil, errors.New("only histograms have them")
	case of != mmapstore.Histogram:
		return nil, nil
	case given == nil:
		return slices.Clone(prometheus.DefBuckets), nil
	case len(given) == 0:
		return nil, errors.New("none; leave the field out for the default ones")
	}
	all := make([]float64, len(given))
	for i, b := range given {
		if b == nil {
			return nil, errors.New("null is no number")
		}
		all[i] = *b
	}
	return all, nil
}

// pick reads the field of a name, which matches in any case as encoding/json has it.
// Without such a field it leaves to alone.
func pick(fields map[string]json.RawMessage, name string, to any) error {
	var raw json.RawMessage
	for spelling, value := range fields {
		if !strings.EqualFold(spelling, name) {
			continue
		}
		if raw != nil {
			return errors.New("there in several spellings")
		}
		raw = value
	}
	if raw == nil {
		return nil
	}
	err := json.Unmarshal(raw, to)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("a JSON %s where a %v is wanted", wrong.Value, wrong.Type)
	}
	return err
}

// unknown are the fields whose names are none of those given, with a prefix.
func unknown(fields map[string]json.RawMessage, prefix string, names ...string) []string {
	var all []string
	for name := range fields {
		if !slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(name, known) }) {
			all = append(all, prefix+name)
		}
	}
	slices.Sort(all)
	return all
}
