package pdc

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
)

// Decoder gathers what one read finds, whether in Redis or in SQLite, and tells types
// when all of it is there. One goroutine uses it.
type Decoder struct {
	prefix string // of keys, with its underscore
	round  *foreign.Round
	items  []item
	is     map[string]traces
}

// traces of a metric's type, by the metric's name: which suffixes there are, in the key
// or in the field.
type traces struct {
	bucket     bool // a bucket that has a bound
	keyedSum   bool
	keyedCount bool
	parts      bool // a sum or a count with its suffix in the field
}

// NewDecoder makes a decoder of keys that begin with prefix and an underscore, or with
// no prefix of all keys.
func NewDecoder(prefix string, r *foreign.Round) *Decoder {
	if prefix != "" {
		prefix += "_"
	}
	return &Decoder{prefix: prefix, round: r, is: make(map[string]traces)}
}

// Add decodes a hash. Without a prefix the hashes of others are among them: these are
// passed over.
func (d *Decoder) Add(h foreign.Hash) {
	if !d.Ours(h) {
		return
	}
	fields := make([]string, 0, len(h.Fields))
	for field := range h.Fields {
		fields = append(fields, field)
	}
	slices.Sort(fields) // of two that are equally good, always the same counts
	for _, field := range fields {
		d.AddField(h.Key, field, h.Fields[field])
	}
}

// Ours reports whether the hash, or the part of it that was read, may be of the library.
func (d *Decoder) Ours(h foreign.Hash) bool {
	if d.prefix != "" {
		return strings.HasPrefix(h.Key, d.prefix)
	}
	if !model.LegacyValidation.IsValidMetricName(h.Key) {
		return false
	}
	for field, value := range h.Fields {
		if _, reason := parseField(field, value); reason == "" {
			return true
		}
	}
	return false
}

// named leaves out the keys that cannot be names of metrics: without a prefix all
// hashes of a database are in the list.
func (d *Decoder) named(keys []string) []string {
	if d.prefix != "" {
		return keys
	}
	return slices.DeleteFunc(keys, func(key string) bool { return !model.LegacyValidation.IsValidMetricName(key) })
}

// AddField decodes one field. key has the prefix.
func (d *Decoder) AddField(key, field, value string) {
	where := foreign.Where{Key: key, Field: field}
	it, reason := parseField(field, value)
	if reason != "" {
		d.round.Bad(where, reason, "value "+short(value))
		return
	}
	it.name, it.where = strings.TrimPrefix(key, d.prefix), where
	d.items = append(d.items, it)
	d.trace(&it)
}

// trace notes what a field says of the type of a metric.
func (d *Decoder) trace(it *item) {
	name, suffix := it.name, it.suffix
	if it.form == whole {
		name, suffix = cutSuffix(it.name)
	}
	t := d.is[name]
	switch suffix {
	case bucket:
		t.bucket = t.bucket || hasBound(it.labels)
	case sum:
		t.keyedSum, t.parts = t.keyedSum || it.form == whole, t.parts || it.form != whole
	case count:
		t.keyedCount, t.parts = t.keyedCount || it.form == whole, t.parts || it.form != whole
	default:
		return
	}
	d.is[name] = t
}

// cutSuffix splits the name of a sample of a histogram or summary.
func cutSuffix(name string) (base, suffix string) {
	for _, suffix := range []string{sum, count, bucket} {
		if base, ok := strings.CutSuffix(name, suffix); ok && base != "" {
			return base, suffix
		}
	}
	return name, noSuffix
}

func hasBound(labels []mmapstore.Label) bool {
	return slices.ContainsFunc(labels, func(l mmapstore.Label) bool { return l.Name == "le" })
}

func short(s string) string {
	const most = 40
	return s[:min(len(s), most)]
}

// Table tells the types, and puts all that was added into a table.
func (d *Decoder) Table() *foreign.Table {
	t := foreign.NewTable(d.round)
	for i := range d.items {
		it := &d.items[i]
		s := foreign.Sample{Value: it.value, Prefer: int(it.form), Where: it.where}
		labels := d.classify(it, &s)
		if s.Part == foreign.Bucket {
			var ok bool
			if labels, ok = takeBound(labels, &s.Bound); !ok {
				d.round.Bad(it.where, foreign.BadBound, "a bucket without a bound")
				continue
			}
		}
		var err error
		if s.Labels, err = mmapstore.EncodeLabels(labels); err != nil {
			d.round.Bad(it.where, foreign.BadLabels, err.Error())
			continue
		}
		t.Add(s)
	}
	return t
}

// takeBound takes the bound out of the labels of a bucket.
func takeBound(labels []mmapstore.Label, b *foreign.Bound) (rest []mmapstore.Label, ok bool) {
	at := slices.IndexFunc(labels, func(l mmapstore.Label) bool { return l.Name == "le" })
	if at < 0 {
		return labels, false
	}
	*b, ok = foreign.ParseBound(labels[at].Value)
	return slices.Delete(labels, at, at+1), ok
}
