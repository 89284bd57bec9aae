//go:build unix

package hermes

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
)

// benchConfig is the metrics of benchShapes.
const benchConfig = `{
  "counters": [{"metric_name": "requests_total", "metric_description": "Requests.", "labels": ["queue", "host"]}],
  "gauges": [{"metric_name": "queue_depth", "metric_description": "Jobs that wait.", "labels": ["queue"]}],
  "histograms": [{"metric_name": "job_seconds", "metric_description": "How long jobs took.", "labels": ["queue"]}]
}`

// benchShape is datagrams as python-hermes sends them, of 20 series by turns. Each
// value is another than the last.
type benchShape struct {
	name      string
	datagrams [][]byte
}

func benchShapes() []benchShape {
	var counters, gauges, histograms, mix [][]byte
	for i := range 1 << 10 {
		queue := fmt.Sprintf(`"queue": "queue-%02d"`, i%20)
		counter := fmt.Appendf(nil, `{"metric_name": "requests_total", "payload": {"labels": {%s, "host": "10.20.0.7"}}}`, queue)
		gauge := fmt.Appendf(nil, `{"metric_name": "queue_depth", "payload": {"operation": "set", "labels": {%s}, "value": %d.0}}`, queue, i)
		histogram := fmt.Appendf(nil, `{"metric_name": "job_seconds", "payload": {"labels": {%s}, "observation": %v}}`, queue, float64(i+1)/301)
		counters, gauges, histograms = append(counters, counter), append(gauges, gauge), append(histograms, histogram)
		mix = append(mix, counter, gauge, counter, histogram)
	}
	return []benchShape{{"counter", counters}, {"gauge", gauges}, {"histogram", histograms}, {"mix", mix}}
}

// A datagram read, and beside it what reading it twice with encoding/json takes.
func BenchmarkDecode(b *testing.B) {
	for _, shape := range benchShapes() {
		b.Run(shape.name, func(b *testing.B) {
			d := newDecoder()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := d.decode(shape.datagrams[i%len(shape.datagrams)]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(shape.name+"/encoding_json_twice", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := decodeTwice(shape.datagrams[i%len(shape.datagrams)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func decodeTwice(datagram []byte) error {
	var envelope struct {
		MetricName string `json:"metric_name"`
		Payload    any    `json:"payload"`
	}
	if err := json.Unmarshal(datagram, &envelope); err != nil {
		return err
	}
	again, err := json.Marshal(envelope.Payload)
	if err != nil {
		return err
	}
	var payload struct {
		Labels      map[string]string `json:"labels"`
		Operation   string            `json:"operation"`
		Value       *float64          `json:"value"`
		Observation float64           `json:"observation"`
	}
	return json.Unmarshal(again, &payload)
}

// A datagram counted in the file, as a listener does with each of a batch.
func BenchmarkCount(b *testing.B) {
	for _, shape := range benchShapes() {
		b.Run(shape.name, func(b *testing.B) {
			r, t := &reader{decoder: newDecoder()}, benchTable(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if why, err := r.countOne(t, shape.datagrams[i%len(shape.datagrams)], false); why != accepted {
					b.Fatal(why, err)
				}
				t.accepted.Inc()
			}
		})
	}
}

func benchTable(b *testing.B) *table {
	b.Helper()
	c, err := ParseConfig([]byte(benchConfig))
	if err != nil {
		b.Fatal(err)
	}
	o := &Options{Config: c, Dir: b.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	if err := o.complete(); err != nil {
		b.Fatal(err)
	}
	t, err := newTable(c, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := t.store.Close(); err != nil {
			b.Error(err)
		}
	})
	return t
}
