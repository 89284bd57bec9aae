package pdc

import (
	"io"
	"strings"

	"github.com/go-faster/jx"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
)

// form is how a field is written. Of two values of one gauge that of the later form is
// shown: its writer is of the later release.
type form int

const (
	whole   form = iota // the suffix is in the key
	spaced              // the suffix is in the field, a space follows each colon
	compact             // the same without spaces
)

// item is one field that was understood.
type item struct {
	name   string // with the suffix in the form whole, else without
	suffix string // not in the form whole
	form   form
	labels []mmapstore.Label // le among them
	value  float64
	where  foreign.Where
}

// suffixes of the later forms.
const (
	noSuffix = ""
	total    = "_total"
	created  = "_created"
	sum      = "_sum"
	count    = "_count"
	bucket   = "_bucket"
)

// parseField takes a field and its value apart. reason is empty if it could.
func parseField(field, value string) (it item, reason foreign.Reason) {
	json := field
	if !strings.HasPrefix(field, "{") {
		suffix, rest, ok := strings.Cut(field, ":")
		switch {
		case !ok:
			return it, foreign.BadField
		case suffix == noSuffix, suffix == total, suffix == created, suffix == sum, suffix == count, suffix == bucket:
		default:
			return it, foreign.BadField
		}
		it.suffix, json, it.form = suffix, rest, compact
		if isSpaced(json) {
			it.form = spaced
		}
	}
	var ok bool
	if it.labels, ok = parseLabels(json); !ok {
		return it, foreign.BadLabels
	}
	if it.value, ok = foreign.Number(value); !ok {
		return it, foreign.BadValue
	}
	return it, ""
}

// isSpaced reports whether a space follows the first colon behind a name.
func isSpaced(json string) bool {
	_, rest, _ := strings.Cut(json, `":`)
	return strings.HasPrefix(rest, " ")
}

// parseLabels reads a JSON object of strings.
func parseLabels(json string) (labels []mmapstore.Label, ok bool) {
	d := jx.DecodeStr(json)
	if d.Next() != jx.Object {
		return nil, false
	}
	err := d.ObjBytes(func(d *jx.Decoder, name []byte) error {
		l := mmapstore.Label{Name: string(name)}
		var err error
		l.Value, err = d.Str()
		labels = append(labels, l)
		return err
	})
	// Skip says EOF itself only where nothing is left.
	return labels, err == nil && d.Skip() == io.EOF //nolint:errorlint // wrapped it means JSON that is cut
}
