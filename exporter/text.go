//go:build unix

package exporter

import (
	"fmt"
	"net/http"
	"sync"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/exposition"
)

// writeSize is how much of an answer is written at once, or a series that takes more:
// who reads slowly keeps as much in memory.
const writeSize = 64 << 10

// maxKeptBuffer is the largest buffer that is kept for the next answer.
const maxKeptBuffer = 4 << 20

var buffers = sync.Pool{New: func() any { return new(pieces) }}

// writeText answers in a text format or in OpenMetrics, byte for byte as promhttp does,
// but that the text format has the bounds of buckets as the processes write them: a
// series has the labels that it had when its process was scraped.
func (e *Exporter) writeText(w *bodyWriter, r *http.Request, s *scrape, format expfmt.Format, style exposition.Style) {
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Content-Type", string(format))
	buffer := buffers.Get().(*pieces)
	defer buffer.recycle()
	buffer.to = w
	encoder := expfmt.NewEncoder(buffer, format) // of the families that are not merged
	wanted := nameFilter(r)
	s.each(func(f aggregate.Family) {
		if wanted(f.Name) && !w.broken {
			buffer.family(f, style)
		}
	}, func(f *dto.MetricFamily) {
		if !wanted(f.GetName()) || w.broken {
			return
		}
		if err := encoder.Encode(f); err != nil && !w.broken {
			bodyLog{e.report, w}.Println(fmt.Sprintf("error encoding metric family %q: %v", f.GetName(), err))
			e.own.encodingErrors.Inc()
		}
	})
	if end, ok := encoder.(expfmt.Closer); ok && !w.broken {
		_ = end.Close() // into buffer, which takes all
		buffer.flush(0)
	}
	if w.broken {
		e.own.encodingErrors.Inc() // promhttp calls it that
	}
}

// pieces writes an answer piece by piece.
type pieces struct {
	b  []byte
	to *bodyWriter
}

// family renders a merged family.
func (p *pieces) family(f aggregate.Family, style exposition.Style) {
	part := f.Within(writeSize)
	for from := 0; from < len(f.Series) && !p.to.broken; from += part {
		p.b = f.Append(p.b, style, f.Values, from, min(from+part, len(f.Series)))
		p.flush(writeSize)
	}
}

// Write implements io.Writer, and what follows the interface that expfmt writes to
// without a buffer of its own.
func (p *pieces) Write(b []byte) (int, error) {
	p.b = append(p.b, b...)
	return len(b), nil
}

// WriteString implements io.StringWriter.
func (p *pieces) WriteString(s string) (int, error) {
	p.b = append(p.b, s...)
	return len(s), nil
}

// WriteByte implements io.ByteWriter.
func (p *pieces) WriteByte(c byte) error {
	p.b = append(p.b, c)
	return nil
}

// WriteRune writes a rune, as bytes.Buffer does.
func (p *pieces) WriteRune(r rune) (int, error) {
	before := len(p.b)
	p.b = utf8.AppendRune(p.b, r)
	return len(p.b) - before, nil
}

// flush writes what there is, if it is that much.
func (p *pieces) flush(least int) {
	if len(p.b) >= least && len(p.b) > 0 {
		_, _ = p.to.Write(p.b) // which remembers
		p.b = p.b[:0]
	}
}

func (p *pieces) recycle() {
	if cap(p.b) > maxKeptBuffer {
		p.b = nil
	}
	p.b, p.to = p.b[:0], nil
	buffers.Put(p)
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
