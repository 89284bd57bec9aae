package instrumentor

import (
	"slices"
	"strings"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
)

// decoder gathers the fields of one read.
type decoder struct {
	round   *foreign.Round
	metrics map[string]*metric
	help    foreign.Help
}

// metric is all that a hash has of one name.
type metric struct {
	typ    mmapstore.Type // 0 if it is not told
	items  []item
	has    map[kind]bool
	quants bool // some plain value has the label quantile
}

type item struct {
	kind   kind
	labels []mmapstore.Label
	value  float64
	where  foreign.Where
}

func newDecoder(r *foreign.Round) *decoder {
	return &decoder{r, make(map[string]*metric), make(foreign.Help)}
}

// add decodes a hash.
func (d *decoder) add(h foreign.Hash) {
	fields := make([]string, 0, len(h.Fields))
	for field := range h.Fields {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	for _, field := range fields {
		d.addField(foreign.Where{Key: h.Key, Field: field}, h.Fields[field])
	}
}

func (d *decoder) addField(w foreign.Where, text string) {
	f, ok := parseField(w.Field)
	if !ok {
		d.round.Bad(w, foreign.BadField, "not name:extension:labels, or labels that can be read in several ways")
		return
	}
	m := d.metrics[f.name]
	if m == nil {
		m = &metric{has: make(map[kind]bool)}
		d.metrics[f.name] = m
	}
	switch f.kind {
	case description:
		d.help[f.name] = text
		return
	case typ:
		if m.typ = parseType(text); m.typ == 0 {
			d.round.Bad(w, foreign.BadType, "type "+text[:min(len(text), 40)])
		}
		return
	}
	v, ok := foreign.Number(text)
	if !ok {
		d.round.Bad(w, foreign.BadValue, "value "+text[:min(len(text), 40)])
		return
	}
	m.items = append(m.items, item{f.kind, f.labels, v, w})
	m.has[f.kind] = true
	m.quants = m.quants || f.kind == value && hasLabel(f.labels, "quantile")
}

func hasLabel(labels []mmapstore.Label, name string) bool {
	return slices.ContainsFunc(labels, func(l mmapstore.Label) bool { return l.Name == name })
}

// parseType reads a type, as the code and as the README spells it; 0 if it is none.
func parseType(text string) mmapstore.Type {
	switch text {
	case "c", "counter":
		return mmapstore.Counter
	case "g", "gauge":
		return mmapstore.Gauge
	case "h", "histogram":
		return mmapstore.Histogram
	case "s", "summary":
		return mmapstore.Summary
	}
	return 0
}

// infer tells the type of a metric that lost it with its hash: the library writes it
// once in the life of a process.
func (m *metric) infer(name string) mmapstore.Type {
	switch {
	case m.has[bucket]:
		return mmapstore.Histogram
	case m.has[sum] || m.has[count] || m.quants:
		return mmapstore.Summary
	case strings.HasSuffix(name, "_total"):
		return mmapstore.Counter
	}
	return mmapstore.Gauge
}

// table puts all that was added into a table.
func (d *decoder) table() *foreign.Table {
	t := foreign.NewTable(d.round)
	for name, m := range d.metrics {
		if m.typ == 0 && len(m.items) > 0 {
			d.round.Defect(m.items[0].where, foreign.Untyped)
			m.typ = m.infer(name)
		}
		for i := range m.items {
			d.sample(t, name, m, &m.items[i])
		}
	}
	return t
}
