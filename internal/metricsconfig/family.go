package metricsconfig

import (
	"slices"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/promfold/promfold/mmapstore"
)

// checkName takes a classic metric name as it is, and any other only in quotes,
// as PromQL does: as a rule it is a slip.
func checkName(key *yaml.Node) error {
	name := key.Value
	quoted := key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	switch {
	case len(name) > mmapstore.MaxName:
		return refuse(key, "metric name of %d bytes, of at most %d", len(name), mmapstore.MaxName)
	case model.LegacyValidation.IsValidMetricName(name) || quoted && name != "":
		return nil
	default:
		return refuse(key, "invalid metric name %q: names of other than letters, digits, _ and : need quotes", name)
	}
}

// override reads what is said about one family.
func override(n *yaml.Node) (o mmapstore.Override, err error) {
	n = target(n)
	entries, err := mapping(n, "a family")
	if err != nil {
		return o, err
	}
	if len(entries) == 0 {
		return o, refuse(n, "nothing is said about it: want type, mode, help or drop")
	}
	keys := make(map[string]*yaml.Node, len(entries))
	for _, e := range entries {
		keys[e.key.Value] = e.key
		switch e.key.Value {
		case "type":
			o.Type, err = parseType(target(e.value))
		case "mode":
			o.Mode, err = parseMode(target(e.value))
		case "help":
			o.Help, err = parseHelp(target(e.value))
		case "drop":
			o.Drop, err = parseBool(target(e.value))
		default:
			err = refuse(e.key, "unknown field %q, want type, mode, help or drop", e.key.Value)
		}
		if err != nil {
			return o, err
		}
	}
	switch {
	case o.Mode != mmapstore.ModeNone && o.Type != 0 && o.Type != mmapstore.Gauge:
		return o, refuse(keys["mode"], "mode %v is for gauges, and its type is %v", o.Mode, o.Type)
	case o.Drop && len(entries) > 1:
		return o, refuse(keys["drop"], "a family that is dropped has no type, mode or help")
	}
	return o, nil
}

// givenTypes are the types of families with one value per label set, which a
// file may not tell, or tell wrongly.
var givenTypes = []mmapstore.Type{mmapstore.Counter, mmapstore.Gauge, mmapstore.Untyped}

func parseType(n *yaml.Node) (mmapstore.Type, error) {
	at := slices.IndexFunc(givenTypes, func(t mmapstore.Type) bool { return t.String() == n.Value })
	switch {
	case n.Kind == yaml.ScalarNode && at >= 0:
		return givenTypes[at], nil
	case n.Value == mmapstore.Histogram.String() || n.Value == mmapstore.Summary.String():
		return 0, refuse(n, "type %s cannot be given: a file tells its histograms and summaries itself", n.Value)
	default:
		return 0, refuse(n, "unknown type %q, want counter, gauge or untyped", n.Value)
	}
}

func parseMode(n *yaml.Node) (mmapstore.Mode, error) {
	m, err := mmapstore.ParseMode(n.Value)
	if err != nil {
		return m, refuse(n, "%v", err)
	}
	return m, nil
}

// parseHelp refuses an empty help, which cannot be told from none.
func parseHelp(n *yaml.Node) (string, error) {
	switch {
	case n.ShortTag() != "!!str" || n.Value == "":
		return "", refuse(n, "help must be text, in quotes where YAML takes it for something else")
	case len(n.Value) > mmapstore.MaxHelp:
		return "", refuse(n, "help of %d bytes, of at most %d", len(n.Value), mmapstore.MaxHelp)
	default:
		return n.Value, nil
	}
}

func parseBool(n *yaml.Node) (b bool, err error) {
	if n.ShortTag() != "!!bool" || n.Decode(&b) != nil {
		return false, refuse(n, "drop must be true or false")
	}
	return b, nil
}
