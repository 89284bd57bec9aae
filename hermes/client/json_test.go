package client

import (
	"encoding/json"
	"math"
	"testing"
)

// The packets of Hermes' client, for encoding/json to write.
type (
	model[P any] struct {
		Name    string `json:"metric_name"`
		Payload P      `json:"payload"`
	}
	counterModel struct {
		Amount *float64          `json:"amount,omitempty"`
		Labels map[string]string `json:"labels"`
	}
	gaugeModel struct {
		Operation string            `json:"operation"`
		Value     *float64          `json:"value"`
		Labels    map[string]string `json:"labels"`
	}
	observationModel struct {
		Observation float64           `json:"observation"`
		Labels      map[string]string `json:"labels"`
	}
)

// written is what a call has written, got from the queue before it is sent.
func written(t *testing.T, c *Client, call error) string {
	t.Helper()
	if call != nil {
		t.Fatal(call)
	}
	b := c.queue.packets
	c.queue.packets = batch{}
	return string(b.data)
}

// Property: for any names, labels and values a packet is byte for byte what
// encoding/json makes of it: escapes, invalid UTF-8, the order of the labels,
// numbers.
func FuzzPacketIsThatOfEncodingJSON(f *testing.F) {
	f.Add("c_total", "queue", `a<b>&"é`, "host", "h1", 54.0)
	f.Add("\x00\b\f\n\r\t\x1f\x7f\\", "\xff", "\xc3\xfe", "\xe2\x80\xa8\u2029", "😀", 1e21)
	f.Add("", "b", "\xed\xa0\x80", "a", "�", 1e-7)
	f.Add("", "", "", "", "", math.Copysign(0, -1))
	f.Add("n", "\xf0\x9f", "/", "\xf0", "'", 123456789e-20)
	f.Add("n", "k", "", "k", "", 999999999999999868928.0)
	f.Add("n", "k", "", "k", "", 5e-324)
	f.Add("n", "k", "", "k", "", 1e-6)
	f.Fuzz(func(t *testing.T, name, k1, v1, k2, v2 string, v float64) {
		if !finite(v) {
			t.Skip()
		}
		c := &Client{options: Options{MaxPacketSize: 1 << 30}, queue: newQueue(1, 0)}
		two := map[string]string{k1: v1, k2: v2}
		for _, l := range []map[string]string{two, {k1: v1, "": k2, k2 + "x": name, "A": v2, "_": ""}, {}, nil} {
			amount := &v
			if v == 1 {
				amount = nil
			}
			if v >= 0 {
				same(t, written(t, c, c.AddCounter(name, l, v)), model[counterModel]{name, counterModel{amount, l}})
			}
			same(t, written(t, c, c.IncrementCounter(name, l)), model[counterModel]{name, counterModel{nil, l}})
			same(t, written(t, c, c.IncrementGauge(name, l)), model[gaugeModel]{name, gaugeModel{"increment", nil, l}})
			same(t, written(t, c, c.DecrementGauge(name, l)), model[gaugeModel]{name, gaugeModel{"decrement", nil, l}})
			same(t, written(t, c, c.SetGauge(name, l, v)), model[gaugeModel]{name, gaugeModel{"set", &v, l}})
			same(t, written(t, c, c.ObserveHistogram(name, l, v)), model[observationModel]{name, observationModel{v, l}})
			same(t, written(t, c, c.ObserveSummary(name, l, v)), model[observationModel]{name, observationModel{v, l}})
		}
	})
}

func same(t *testing.T, got string, packet any) {
	t.Helper()
	want, err := json.Marshal(packet)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("wrote %s, want %s", got, want)
	}
}
