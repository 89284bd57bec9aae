package instrumentor

import (
	"regexp"
	"strings"

	"github.com/promfold/promfold/mmapstore"
)

// kind is what a field is of its metric.
type kind byte

const (
	value       kind = 0
	bucket      kind = 'b'
	sum         kind = 's'
	count       kind = 'c'
	description kind = 'd'
	typ         kind = 't'
)

// kinds are the extensions, as the code and as the README spells them. In one place of
// the README a space has slipped in, see parseKind.
var kinds = map[string]kind{
	"": value, "b": bucket, "s": sum, "c": count, "d": description, "t": typ,
	"bucket": bucket, "sum": sum, "count": count, "description": description, "type": typ,
}

func parseKind(extension string) (kind, bool) {
	k, ok := kinds[strings.ReplaceAll(extension, " ", "")]
	return k, ok
}

// field is a field that was taken apart.
type field struct {
	name   string
	kind   kind
	labels []mmapstore.Label
}

// parseField splits a field. A name may hold colons itself: the first way to split it
// that makes sense holds, which is that of the library itself wherever that does.
func parseField(text string) (f field, ok bool) {
	end := strings.IndexAny(text, `="`) // none of both is in a name
	if end < 0 {
		end = len(text)
	}
	for at := range end {
		if text[at] != ':' || at == 0 {
			continue
		}
		extension, labels, cut := strings.Cut(text[at+1:], ":")
		if !cut {
			break
		}
		f = field{name: text[:at]}
		if f.kind, ok = parseKind(extension); !ok {
			continue
		}
		if f.labels, ok = parseLabels(labels); ok && f.fits() {
			return f, true
		}
	}
	return field{}, false
}

// fits reports whether the labels are such as a field of the kind has.
func (f *field) fits() bool {
	switch f.kind {
	case bucket:
		return len(f.labels) > 0
	case description, typ:
		return len(f.labels) == 0
	default:
		return true
	}
}

// separator is what begins a label. Of one name in the README a colon has slipped
// behind it.
var separator = regexp.MustCompile(`(?:^|",)([a-zA-Z_][a-zA-Z0-9_]*):?="`)

// parseLabels reads labels whose values are not escaped. In a value may be all that
// separates labels, so what is found is the reading with the most labels; ok is false
// if that cannot be, because it has a name twice.
func parseLabels(text string) (labels []mmapstore.Label, ok bool) {
	if text == "" || text == ":" { // the README's second colon
		return nil, true
	}
	found := separator.FindAllStringSubmatchIndex(text, -1)
	if len(found) == 0 || found[0][0] != 0 || text[len(text)-1] != '"' {
		return nil, false
	}
	seen := make(map[string]bool, len(found))
	for i, at := range found {
		name, end := text[at[2]:at[3]], len(text)-1
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		if seen[name] || at[1] > end {
			return nil, false
		}
		seen[name] = true
		labels = append(labels, mmapstore.Label{Name: name, Value: text[at[1]:end]})
	}
	return labels, true
}
