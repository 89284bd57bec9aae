package exposition

import (
	"math"

	dto "github.com/prometheus/client_model/go"
)

// Append appends the lines of the series from one index up to another, and those
// about the family if that begins with the first. values are those of all series
// of the family, as many as Words tells.
//
// It appends nothing of a family without a name or of a type that a Family cannot
// be of, and in the text format nothing of one without series: expfmt refuses them.
func (f *Family) Append(b []byte, style Style, values []uint64, from, to int) []byte {
	if f.Name == "" || typeNames[f.Type] == "" || len(f.Series) == 0 && !style.openMetrics {
		return b
	}
	r, first := f.part(style, from, to)
	next := r.at(first)
	if from == 0 {
		b = append(b, r.head...)
	}
	values = values[f.shape.firstWord(from):f.shape.firstWord(to)]
	switch f.Type {
	case dto.MetricType_HISTOGRAM:
		for i := range f.Series[from:to] {
			words := len(f.Series[from+i].Bounds) + 2
			b = next.histogram(b, values[:words], style.openMetrics)
			values = values[words:]
		}
	case dto.MetricType_SUMMARY:
		for ; len(values) > 0; values = values[2:] {
			b = next.float(b, values[0], style.openMetrics)
			b = next.count(b, values[1], style.openMetrics)
		}
	default:
		for _, bits := range values {
			b = next.float(b, bits, style.openMetrics)
		}
	}
	return b
}

// cursor goes from line to line.
type cursor struct {
	*lines
	line  int // of ends
	begin int // in text
}

func (l *lines) at(line int) cursor {
	c := cursor{lines: l, line: line}
	if line > 0 {
		c.begin = l.ends[line-1]
	}
	return c
}

// next appends a line up to its number.
func (c *cursor) next(b []byte) []byte {
	begin := c.begin
	c.begin = c.ends[c.line]
	c.line++
	return append(b, c.text[begin:c.begin]...)
}

func (c *cursor) float(b []byte, bits uint64, openMetrics bool) []byte {
	return append(appendFloat(c.next(b), math.Float64frombits(bits), openMetrics), '\n')
}

func (c *cursor) count(b []byte, n uint64, openMetrics bool) []byte {
	return append(appendCount(c.next(b), n, openMetrics), '\n')
}

func (c *cursor) histogram(b []byte, values []uint64, openMetrics bool) []byte {
	counts, sum := values[:len(values)-1], values[len(values)-1]
	for _, n := range counts {
		b = c.count(b, n, openMetrics)
	}
	b = c.float(b, sum, openMetrics)
	return c.count(b, counts[len(counts)-1], openMetrics)
}
