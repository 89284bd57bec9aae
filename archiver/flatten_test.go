package archiver

import (
	"fmt"

	dto "github.com/prometheus/client_model/go"
)

// flatten takes a metric apart into the samples by which the model knows it.
func flatten(f *dto.MetricFamily, m *dto.Metric, into map[string]float64) {
	name := f.GetName()
	for _, l := range m.Label {
		name += "," + l.GetValue()
	}
	switch {
	case m.Counter != nil:
		into[name] = m.Counter.GetValue()
	case m.Gauge != nil:
		into[name] = m.Gauge.GetValue()
	case m.Histogram != nil:
		into[name+"_sum"] = m.Histogram.GetSampleSum()
		into[name+"_count"] = float64(m.Histogram.GetSampleCount())
		for _, b := range m.Histogram.Bucket {
			into[fmt.Sprint(name, "_bucket,", b.GetUpperBound())] = float64(b.GetCumulativeCount())
		}
	}
}
