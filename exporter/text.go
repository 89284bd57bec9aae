//go:build unix

package exporter

import (
	"fmt"
	"net/http"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/internal/textformat"
)

// writeSize is how much of an answer is written at once, and partSeries series
// more: who reads slowly keeps as much in memory.
const (
	writeSize  = 64 << 10
	partSeries = 16
)

// maxKeptBuffer is the largest buffer that is kept for the next answer.
const maxKeptBuffer = 4 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// writeText answers in the text format 0.0.4. Where promhttp writes all numbers
// alike, it writes the bounds of buckets as the processes do, so that a series
// has the labels that it had when its process was scraped.
func (e *Exporter) writeText(w *bodyWriter, r *http.Request, s *scrape, format expfmt.Format) {
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Content-Type", string(format))
	log := bodyLog{e.report, w}
	scheme := format.ToEscapingScheme()
	wanted := nameFilter(r)
	buffer := buffers.Get().(*[]byte)
	b := (*buffer)[:0]
	for _, f := range s.all {
		if !wanted(f.GetName()) {
			continue
		}
		var err error
		b, err = appendFamily(w, b, model.EscapeMetricFamily(f, scheme), s.spelling[f.GetName()])
		if w.broken {
			break // counted below
		}
		if err != nil {
			log.Println(fmt.Sprintf("error encoding metric family %q: %v", f.GetName(), err))
			e.own.encodingErrors.Inc()
		}
	}
	if !w.broken {
		_, _ = w.Write(b) // which w remembers
	}
	if w.broken {
		e.own.encodingErrors.Inc() // promhttp calls it that
	}
	if cap(b) <= maxKeptBuffer {
		*buffer = b
		buffers.Put(buffer)
	}
}

// appendFamily renders a family, and writes what there is whenever that is enough.
func appendFamily(w *bodyWriter, b []byte, f *dto.MetricFamily, spelling map[float64]string) ([]byte, error) {
	for from := 0; ; from += partSeries {
		to := min(from+partSeries, len(f.Metric))
		var err error
		if b, err = textformat.AppendPart(b, f, from, to, spelling); err != nil {
			return b, err
		}
		if len(b) >= writeSize {
			_, _ = w.Write(b) // which w remembers
			b = b[:0]
		}
		if w.broken || to == len(f.Metric) {
			return b, nil
		}
	}
}

// nameFilter tells which families the client asks for, as promhttp does.
func nameFilter(r *http.Request) func(name string) bool {
	var names []string
	if r.URL != nil { // as in a request made by hand
		names = r.URL.Query()["name[]"]
	}
	if len(names) == 0 {
		return func(string) bool { return true }
	}
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return func(name string) bool { return set[name] }
}
