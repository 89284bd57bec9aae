//go:build unix

package hermes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// Property: a configuration as Hermes takes it means the same, and what it adds to
// that is taken too. Fields that nobody knows are named, not refused.
func TestConfig(t *testing.T) {
	c, err := ParseConfig([]byte(`{
		"service_name": "s", "Gauges": [
			{"metric_name": "g", "metric_description": "a gauge", "labels": ["a", "b"]},
			{"metric_name": "g_max", "mode": "max"},
			{"metric_name": "g_recent", "mode": "mostrecent", "labels": null}
		],
		"counters": null,
		"histograms": [{"metric_name": "h", "buckets": [-1, 0.5, 2], "label": ["typing error"]}],
		"summaries": [{"METRIC_NAME": "s"}],
		"timers": []
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Metric{
		{Type: mmapstore.Gauge, Name: "g", Help: "a gauge", Labels: []string{"a", "b"}, Mode: mmapstore.Latest},
		{Type: mmapstore.Gauge, Name: "g_max", Mode: mmapstore.Max},
		{Type: mmapstore.Gauge, Name: "g_recent", Mode: mmapstore.Latest},
		{Type: mmapstore.Histogram, Name: "h", Buckets: []float64{-1, 0.5, 2}},
		{Type: mmapstore.Summary, Name: "s"},
	}
	if !slices.EqualFunc(c.Metrics, want, func(a, b Metric) bool {
		return a.Type == b.Type && a.Name == b.Name && a.Help == b.Help && a.Mode == b.Mode &&
			slices.Equal(a.Labels, b.Labels) && slices.Equal(a.Buckets, b.Buckets)
	}) {
		t.Errorf("read %+v", c.Metrics)
	}
	if want := []string{"histograms[0].label", "timers"}; !slices.Equal(slices.Sorted(slices.Values(c.Ignored)), want) {
		t.Errorf("ignored %q, want %q", c.Ignored, want)
	}
}

// Property: a bad file is refused with its name, the entry and the reason.
func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ text, entry, reason string }{
		{``, "", "line 1: not JSON"},
		{"{\n\"gauges\": [}", "", "line 2: not JSON"},
		{`[]`, "", "not a JSON object"},
		{`null`, "", "not a JSON object"},
		{`{"gauges": {}}`, "gauges", "a JSON object where"},
		{`{"counters": ["c"]}`, "counters[0]", "not a JSON object"},
		{`{"counters": [null]}`, "counters[0]", "not a JSON object"},
		{`{"counters": [{"metric_name": "c"}, {}]}`, "counters[1]", "metric_name: missing"},
		{`{"counters": [{"metric_name": 5}]}`, "counters[0]", "metric_name: a JSON number"},
		{`{"counters": [{"metric_name": "a-b"}]}`, "counters[0] (a-b)", "not the name of a metric"},
		{`{"counters": [{"metric_name": "promfold_x"}]}`, "counters[0] (promfold_x)", "promfold's own"},
		{`{"counters": [{"metric_name": "c", "labels": "a"}]}`, "counters[0] (c)", "labels: a JSON string"},
		{`{"counters": [{"metric_name": "c", "labels": ["a-b"]}]}`, "counters[0] (c)", `labels: "a-b"`},
		{`{"counters": [{"metric_name": "c", "labels": ["__a"]}]}`, "counters[0] (c)", `labels: "__a"`},
		{`{"counters": [{"metric_name": "c", "labels": ["a", "a"]}]}`, "counters[0] (c)", "twice"},
		{`{"counters": [{"metric_name": "c", "buckets": [1]}]}`, "counters[0] (c)", "buckets: only histograms"},
		{`{"counters": [{"metric_name": "c", "mode": "sum"}]}`, "counters[0] (c)", "mode: only gauges"},
		{`{"counters": [{"metric_name": "c"}], "gauges": [{"metric_name": "c"}]}`, "c", "samples c are those of c"},
		{`{"histograms": [{"metric_name": "h"}], "counters": [{"metric_name": "h_count"}]}`, "h", "samples h_count"},
		{`{"histograms": [{"metric_name": "h", "labels": ["le"]}]}`, "histograms[0] (h)", `labels: "le"`},
		{`{"summaries": [{"metric_name": "s", "labels": ["quantile"]}]}`, "summaries[0] (s)", `labels: "quantile"`},
		{`{"gauges": [{"metric_name": "g", "labels": ["pid"], "mode": "all"}]}`, "gauges[0] (g)", `labels: "pid"`},
		{`{"gauges": [{"metric_name": "g", "mode": "newest"}]}`, "gauges[0] (g)", `mode: unknown gauge mode "newest"`},
		{`{"gauges": [{"metric_name": "g", "mode": 1}]}`, "gauges[0] (g)", "mode: a JSON number"},
		{`{"histograms": [{"metric_name": "h", "buckets": []}]}`, "histograms[0] (h)", "buckets: none"},
		{`{"histograms": [{"metric_name": "h", "buckets": [null, 1]}]}`, "histograms[0] (h)", "buckets: null"},
		{`{"histograms": [{"metric_name": "h", "buckets": [0` + strings.Repeat(",1", mmapstore.MaxBounds) + `]}]}`, "histograms[0] (h)", "buckets: 4097"},
		{`{"counters": [{"metric_name": "c", "Metric_Name": "d"}]}`, "counters[0]", "metric_name: there in several"},
		{`{"counters": [{"metric_name": "c", "labels": ["` + strings.Repeat("x", mmapstore.MaxLabelBytes) + `"]}]}`, "counters[0] (c)", "labels: no file"},
		{`{"counters": [` + strings.Join(counters(mmapstore.MaxFamilies), ",") + `]}`, "", "10000 metrics, of at most 9997"},
		{`{"histograms": [{"metric_name": "h", "buckets": [1, 1]}]}`, "histograms[0] (h)", "must ascend"},
		{`{"histograms": [{"metric_name": "h", "buckets": [1, 1e400]}]}`, "histograms[0] (h)", "buckets: "},
		{`{"gauges": [{"metric_name": "g", "metric_description": "` + strings.Repeat("x", mmapstore.MaxHelp+1) + `"}]}`,
			"gauges[0] (g)", "metric_description: "},
	} {
		path := filepath.Join(t.TempDir(), "hermes.json")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadConfig(path)
		var refused *ConfigError
		if !errors.As(err, &refused) || refused.Path != path || refused.Entry != c.entry || !strings.Contains(refused.Reason, c.reason) {
			t.Errorf("%.80s: %v, want entry %q and reason %q", c.text, err, c.entry, c.reason)
		}
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// counters are entries of so many counters.
func counters(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"metric_name": "c%d"}`, i))
	}
	return all
}
