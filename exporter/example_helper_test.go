//go:build unix

package exporter_test

import (
	"fmt"
	"io"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// toText is the samples of the counters that a decoder yields.
func toText(d expfmt.Decoder) io.Reader {
	var b strings.Builder
	for {
		var f dto.MetricFamily
		if d.Decode(&f) != nil {
			return strings.NewReader(b.String())
		}
		for _, m := range f.Metric {
			fmt.Fprintln(&b, f.GetName(), m.GetCounter().GetValue())
		}
	}
}
