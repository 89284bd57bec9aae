package exposition

import (
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Style is a text format and an escaping scheme. The zero value is the text format
// 0.0.4 with names as they are.
type Style struct {
	openMetrics bool
	scheme      model.EscapingScheme
}

// schemes is how many escaping schemes model has, and styles how many a Style can be.
const (
	schemes = int(model.ValueEncodingEscaping) + 1
	styles  = 2 * schemes
)

// StyleOf is the style of a negotiated format. It reports false for a format that
// this package does not write: protobuf in all its forms, and OpenMetrics 2.
func StyleOf(format expfmt.Format) (Style, bool) {
	style := Style{scheme: format.ToEscapingScheme()}
	switch format.FormatType() {
	case expfmt.TypeTextPlain:
		return style, true
	case expfmt.TypeOpenMetrics:
		style.openMetrics = true
		return style, format.Version() != expfmt.OpenMetricsVersion_2_0_0
	default:
		return Style{}, false
	}
}

func (s Style) index() int {
	if s.openMetrics {
		return schemes + int(s.scheme)
	}
	return int(s.scheme)
}
