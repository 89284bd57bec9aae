package textformat

import (
	"math"
	"strconv"

	dto "github.com/prometheus/client_model/go"
)

// begin writes a line up to the last label of the metric.
func (a *appender) begin(suffix string, m *dto.Metric) {
	if a.legacy {
		a.b = append(append(a.b, a.name...), suffix...)
		a.separator = '{'
	} else {
		a.b = append(a.b, '{', '"')
		a.b = append(appendEscaped(a.b, a.name, true), suffix...)
		a.b = append(a.b, '"')
		a.separator = ','
	}
	if len(m.Label) == 0 {
		return
	}
	if a.labelsEnd > 0 {
		a.b = append(a.b, a.b[a.labels:a.labelsEnd]...)
	} else {
		a.labels = len(a.b)
		a.writeLabels(m.Label)
		a.labelsEnd = len(a.b)
	}
	a.separator = ','
}

func (a *appender) writeLabels(pairs []*dto.LabelPair) {
	separator := a.separator
	for _, l := range pairs {
		a.b = appendName(append(a.b, separator), l.GetName())
		a.b = append(a.b, '=', '"')
		a.b = append(appendEscaped(a.b, l.GetValue(), true), '"')
		separator = ','
	}
}

// extra begins a label that the metric itself does not have.
func (a *appender) extra(name string) {
	a.b = append(append(a.b, a.separator), name...)
	a.b = append(a.b, '=', '"')
	a.separator = ','
}

// end writes what comes after the labels.
func (a *appender) end(m *dto.Metric, value float64) {
	if a.separator == ',' {
		a.b = append(a.b, '}')
	}
	a.b = appendFloat(append(a.b, ' '), value)
	if m.TimestampMs != nil {
		a.b = strconv.AppendInt(append(a.b, ' '), *m.TimestampMs, 10)
	}
	a.b = append(a.b, '\n')
}

// appendFloat is strconv's shortest form. Most values are small whole numbers,
// for which that form is plain digits.
func appendFloat(b []byte, v float64) []byte {
	const noExponent = 1e6 // the first that strconv writes with one, or 1e+06
	if n := int64(v); float64(n) == v && -noExponent < n && n < noExponent {
		return strconv.AppendInt(b, n, 10)
	}
	switch {
	case math.IsInf(v, +1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	default:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
}

// appendName quotes a name that is not of the legacy kind.
func appendName(b []byte, name string) []byte {
	if isLegacy(name) {
		return append(b, name...)
	}
	b = appendEscaped(append(b, '"'), name, true)
	return append(b, '"')
}

func appendEscaped(b []byte, s string, quoted bool) []byte {
	done := 0 // s[:done] is in b
	for i := range len(s) {
		var escape string
		switch s[i] {
		case '\\':
			escape = `\\`
		case '\n':
			escape = `\n`
		case '"':
			if quoted {
				escape = `\"`
			}
		}
		if escape != "" {
			b = append(append(b, s[done:i]...), escape...)
			done = i + 1
		}
	}
	return append(b, s[done:]...)
}

// isLegacy reports whether the name needs no quotes: it is of letters, digits,
// underscores and colons, and does not begin with a digit. Names of labels go by
// the same rule, colons included, as in expfmt.
func isLegacy(name string) bool {
	if name == "" || '0' <= name[0] && name[0] <= '9' {
		return false
	}
	for i := range len(name) {
		if !legacyBytes[name[i]] {
			return false
		}
	}
	return true
}

var legacyBytes = func() (legacy [256]bool) {
	for c := range legacy {
		legacy[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == ':'
	}
	return legacy
}()
