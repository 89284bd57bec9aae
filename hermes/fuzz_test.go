//go:build unix

package hermes

import (
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"testing"
)

// Property: no bytes crash the listener, and each datagram means exactly what it
// means in Hermes, whose reading the model repeats with encoding/json.
func FuzzDatagram(f *testing.F) {
	for _, name := range []string{"packets.jsonl", "crash_packets.jsonl"} {
		for _, l := range lines(f, name) {
			f.Add(l)
		}
	}
	for _, s := range []string{
		`{"metric_name":"fx_jobs_total","payload":{"labels":{"queue":"\ud800\ud83d\ude00\ude00\/\u0000"}}}`,
		"{\"metric_name\":\"fx_jobs_total\",\"payload\":{\"labels\":{\"queue\":\"\xff\xed\xa0\x80\"}}}",
		`{"payload":{"labels":{"queue":1},"labels":{"queue":"a","queue":"b"},"operation":[{}]},"metric_name":"x","METRIC_NAME":"fx_jobs_total"}`,
		`{"metric_name":"fx_latency_seconds","payload":{"label\u017f":{"queue":"k"},"observation":9007199254740993.5e-300}}`,
		`{"metric_name":"fx_plain_gauge","payload":{"value":-0.0,"operation":null}}`,
		`{"metric_name":"fx_plain_gauge","payload":{"value":1}} "`,
		`{"metric_name":"fx_plain_total","payload":{},"payload":null,"x":[[[[{"y":1e400}]]]]}`,
		`{"metric_name":"fx_plain_total","payload":{"x":1e400}}`,
		`{"metric_name":"fx_plain_total","metric_name":null}`,
		`{"metric_name":"fx_jobs_total","payload":{"labels":{"zone":"z"},"labels":{"queue":"a"}}}`,
		`{"metric_name":"fx_plain_gauge","payload":{"labels":{"zone":"z"},"value":5,"operation":7},"payload":{"operation":"set"}}`,
	} {
		f.Add([]byte(s))
	}
	o := Options{Config: fixtureConfig(f), Dir: f.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	if err := o.complete(); err != nil {
		f.Fatal(err)
	}
	t0, err := newTable(o.Config, &o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { t0.store.Close() })
	d := newDecoder()
	f.Fuzz(func(t *testing.T, datagram []byte) {
		want := inHermes(o.Config, datagram)
		p, err := d.decode(datagram)
		if err != nil {
			if want != nil {
				t.Fatalf("%q: %v; Hermes takes it as %+v", datagram, err, want)
			}
			return
		}
		m, ok := t0.metrics[string(p.metric)]
		if !ok {
			if want != nil {
				t.Fatalf("%q: unknown metric %q; Hermes takes it as %+v", datagram, p.metric, want)
			}
			return
		}
		c, why := m.read(p, false)
		if why == accepted && !m.arrange(p.labels) {
			why = badLabels
		}
		if (why == accepted) != (want != nil) && !readOtherwise(datagram) {
			t.Fatalf("%q: %v; in Hermes %+v", datagram, why, want)
		}
		if why != accepted || want == nil || readOtherwise(datagram) {
			return
		}
		if c.set != want.change.set || math.Float64bits(c.by) != math.Float64bits(want.change.by) {
			t.Errorf("%q: %+v, in Hermes %+v", datagram, c, want.change)
		}
		for i, l := range m.Labels {
			if string(m.values[i]) != want.labels[l] {
				t.Errorf("%q: label %s is %q, in Hermes %q", datagram, l, m.values[i], want.labels[l])
			}
		}
		key := string(m.key)
		if !m.arrange(m.pairs(key)) || string(m.key) != key {
			t.Errorf("%q: key %q does not come back", datagram, key)
		}
	})
}

// readOtherwise: two things that nobody sends are read as the text has them. Hermes
// takes one field of the payload that comes in two spellings in their sorted order, and
// drops a datagram for a number beyond float64 in a field that means nothing.
func readOtherwise(datagram []byte) bool {
	var outer struct{ Payload json.RawMessage }
	if json.Unmarshal(datagram, &outer) != nil {
		return true
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(outer.Payload, &fields) != nil {
		return false
	}
	seen := make(map[string]bool)
	for name, value := range fields {
		known := payloadFieldNamed([]byte(name))
		var v any
		if known == 0 && json.Unmarshal(value, &v) != nil {
			return true
		}
		folded := strings.ToLower(strings.ReplaceAll(name, "ſ", "s"))
		if known != 0 && seen[folded] {
			return true
		}
		seen[folded] = true
	}
	return false
}
