// Package escape tells what names become on their way to a scraper. Names may be
// of any characters (UTF-8); most scrapers get them in one of the escapings that
// package model has, and two names that differ here may be one there.
package escape

import (
	"strings"

	"github.com/prometheus/common/model"
)

// Schemes are the escapings that a scraper may ask for. Of what is left as it is
// (allow-utf-8) no two names become one.
var Schemes = []model.EscapingScheme{model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping}

// Plain reports whether the name of a metric is left as it is by all schemes.
func Plain(name string) bool { return model.LegacyValidation.IsValidMetricName(name) }

// Name is the name of a metric or label in a scheme, as model.EscapeMetricFamily
// has it: plain names are not escaped.
func Name(name string, scheme model.EscapingScheme) string {
	if Plain(name) {
		return name
	}
	return model.EscapeName(name, scheme)
}

// Names are all that the name of a metric may become, maybe one of them twice.
func Names(name string) []string {
	if Plain(name) {
		return []string{name}
	}
	all := make([]string, 0, len(Schemes))
	for _, s := range Schemes {
		all = append(all, Name(name, s))
	}
	return all
}

// Label is the name of a label as it is exposed. A colon is for names of metrics
// alone: the text formats write it without quotes, and no scraper takes that.
func Label(name string) string { return strings.ReplaceAll(name, ":", "_") }
