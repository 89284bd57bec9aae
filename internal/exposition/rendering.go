package exposition

import (
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/internal/escape"
)

// rendering is all of a family but its values, in one style. It does not change.
type rendering struct {
	head []byte
	*lines
}

// part is a rendering that has the series from one index up to another, and which of its
// lines is the first of theirs.
func (f *Family) part(style Style, from, to int) (r *rendering, first int) {
	if f.keepsLines() {
		return f.rendered(style), f.firstLine(from)
	}
	return &rendering{head: f.renderHead(style), lines: f.renderLines(style, f.Series[from:to])}, 0
}

// rendered makes what nobody has asked for before. Families of plain names look
// alike under all schemes, and have one rendering for them.
func (f *Family) rendered(style Style) *rendering {
	if f.measured().plain {
		style.scheme = model.NoEscaping
	}
	slot := &f.renderings[style.index()]
	if r := slot.Load(); r != nil {
		return r
	}
	f.rendering.Lock()
	defer f.rendering.Unlock()
	if r := slot.Load(); r != nil {
		return r
	}
	r := &rendering{head: f.renderHead(style), lines: f.sameLines(style)}
	if r.lines == nil {
		r.lines = f.renderLines(style, f.Series)
	}
	slot.Store(r)
	return r
}

// sameLines is what was rendered for the other format, where only the bounds of
// buckets are written otherwise. It is nil if there is none. f.rendering is held.
func (f *Family) sameLines(style Style) *lines {
	if f.Type == dto.MetricType_HISTOGRAM {
		return nil
	}
	style.openMetrics = !style.openMetrics
	if r := f.renderings[style.index()].Load(); r != nil {
		return r.lines
	}
	return nil
}

// renderHead is the lines about the family.
func (f *Family) renderHead(style Style) []byte {
	name, typ := escape.Name(f.Name, style.scheme), typeNames[f.Type]
	if style.openMetrics {
		name, typ = openMetricsHead(f.Type, name)
	}
	var b []byte
	comment := func(kind string) {
		b = appendName(append(append(b, "# "...), kind...), name)
		b = append(b, ' ')
	}
	comment("HELP ")
	b = append(appendEscaped(b, f.Help, style.openMetrics), '\n')
	comment("TYPE ")
	b = append(append(b, typ...), '\n')
	if style.openMetrics && f.Unit != "" {
		comment("UNIT ")
		b = append(appendEscaped(b, f.Unit, true), '\n')
	}
	return b
}

// typeNames has the types that a Family can be of.
var typeNames = map[dto.MetricType]string{
	dto.MetricType_COUNTER:   "counter",
	dto.MetricType_GAUGE:     "gauge",
	dto.MetricType_UNTYPED:   "untyped",
	dto.MetricType_HISTOGRAM: "histogram",
	dto.MetricType_SUMMARY:   "summary",
}

// openMetricsHead is what a family is called in OpenMetrics, where a counter has
// to have a suffix that belongs to its samples alone.
func openMetricsHead(typ dto.MetricType, name string) (family, typeName string) {
	switch typ {
	case dto.MetricType_COUNTER:
		if family, ok := strings.CutSuffix(name, "_total"); ok {
			return family, "counter"
		}
		return name, "unknown"
	case dto.MetricType_UNTYPED:
		return name, "unknown"
	default:
		return name, typeNames[typ]
	}
}
