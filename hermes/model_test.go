//go:build unix

package hermes

import (
	"encoding/json"
	"maps"

	"github.com/promfold/promfold/mmapstore"
)

// modelled is what a datagram does in Hermes: which metric, which labels, what to it.
type modelled struct {
	metric string
	labels map[string]string
	change change
}

// inHermes reads a datagram as Hermes does, by encoding/json twice; nil if Hermes drops
// it, or dies of it. It is slow and has none of our code.
func inHermes(c *Config, datagram []byte) *modelled {
	var outer struct {
		MetricName string `json:"metric_name"`
		Payload    any    `json:"payload"`
	}
	if json.Unmarshal(datagram, &outer) != nil {
		return nil
	}
	for _, m := range c.Metrics {
		if m.Name == outer.MetricName {
			payload, err := json.Marshal(outer.Payload)
			if err != nil {
				return nil
			}
			return payloadInHermes(&m, payload)
		}
	}
	return nil
}

func payloadInHermes(m *Metric, payload []byte) *modelled {
	done := &modelled{metric: m.Name}
	var err error
	switch m.Type {
	case mmapstore.Counter:
		var p struct {
			Labels map[string]string `json:"labels"`
		}
		err = json.Unmarshal(payload, &p)
		done.labels, done.change = p.Labels, change{by: 1}
	case mmapstore.Gauge:
		var p struct {
			Operation string            `json:"operation"`
			Value     *float64          `json:"value"`
			Labels    map[string]string `json:"labels"`
		}
		err = json.Unmarshal(payload, &p)
		done.labels = p.Labels
		switch {
		case p.Operation == "increment":
			done.change = change{by: 1}
		case p.Operation == "decrement":
			done.change = change{by: -1}
		case (p.Operation == "set" || p.Operation == "") && p.Value != nil: // "": Hermes' first version
			done.change = change{set: true, by: *p.Value}
		default:
			return nil
		}
	default:
		var p struct {
			Observation float64           `json:"observation"`
			Labels      map[string]string `json:"labels"`
		}
		err = json.Unmarshal(payload, &p)
		done.labels, done.change = p.Labels, change{by: p.Observation}
	}
	if err != nil || !hasLabels(m, done.labels) {
		return nil
	}
	return done
}

// hasLabels: of one too many Hermes drops the datagram, of one too few it dies.
func hasLabels(m *Metric, labels map[string]string) bool {
	want := make(map[string]bool)
	for _, l := range m.Labels {
		want[l] = true
	}
	got := make(map[string]bool)
	for l := range labels {
		got[l] = true
	}
	return maps.Equal(want, got)
}
