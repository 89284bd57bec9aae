package mmapstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/promfold/promfold/internal/wire"
)

// Label is one name and value.
type Label struct{ Name, Value string }

// Labels is a label set in its one canonical encoding: pairs in ascending order
// of their names, each name and value as u16 length (little endian) and bytes.
// Equal sets are equal strings, so Labels is a map key and a sort key. The
// empty string is the empty set.
type Labels string

// EncodeLabels makes the canonical form of a label set. It sorts pairs in
// place. A duplicate or empty name, invalid UTF-8 in a name, or more than
// MaxLabelBytes is an error; invalid UTF-8 in a value is replaced by U+FFFD,
// as an exposition must not carry it.
func EncodeLabels(pairs []Label) (Labels, error) {
	slices.SortFunc(pairs, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	for i, p := range pairs {
		if p.Name == "" || !utf8.ValidString(p.Name) {
			return "", fmt.Errorf("label name %q: %w", p.Name, ErrMalformed)
		}
		if i > 0 && pairs[i-1].Name == p.Name { //nolint:gosec // G602: i is above 0
			return "", fmt.Errorf("duplicate label %q: %w", p.Name, ErrMalformed)
		}
		value := strings.ToValidUTF8(p.Value, "\uFFFD")
		if len(p.Name) > math.MaxUint16 || len(value) > math.MaxUint16 {
			return "", fmt.Errorf("label %.40q: %w", p.Name, ErrTooLarge)
		}
		writeLabelString(&b, p.Name)
		writeLabelString(&b, value)
	}
	if b.Len() > MaxLabelBytes {
		return "", fmt.Errorf("label set of %d bytes: %w", b.Len(), ErrTooLarge)
	}
	return Labels(b.String()), nil
}

func writeLabelString(b *strings.Builder, s string) {
	var n [2]byte
	binary.LittleEndian.PutUint16(n[:], uint16(len(s)))
	b.Write(n[:])
	b.WriteString(s)
}

// LabelBytes is a Label that was not made into strings yet.
type LabelBytes struct{ Name, Value []byte }

// AppendLabels appends to b the encoding that EncodeLabels makes of the same
// label set, under the same rules. It keeps nothing of pairs.
func AppendLabels(b []byte, pairs []LabelBytes) ([]byte, error) {
	byName := func(a, b LabelBytes) int { return bytes.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(pairs, byName) {
		slices.SortFunc(pairs, byName)
	}
	begin := len(b)
	for i, p := range pairs {
		if len(p.Name) == 0 || !utf8.Valid(p.Name) {
			return b, fmt.Errorf("label name %.40q: %w", p.Name, ErrMalformed)
		}
		if i > 0 && bytes.Equal(pairs[i-1].Name, p.Name) {
			return b, fmt.Errorf("duplicate label %.40q: %w", p.Name, ErrMalformed)
		}
		value := p.Value
		if !utf8.Valid(value) {
			value = bytes.ToValidUTF8(value, []byte("\uFFFD"))
		}
		if len(p.Name) > math.MaxUint16 || len(value) > math.MaxUint16 {
			return b, fmt.Errorf("label %.40q: %w", p.Name, ErrTooLarge)
		}
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(p.Name))), p.Name...)
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(value))), value...)
	}
	if len(b)-begin > MaxLabelBytes {
		return b, fmt.Errorf("label set of %d bytes: %w", len(b)-begin, ErrTooLarge)
	}
	return b, nil
}

// Cut splits the first string, a name or a value, off the encoding, which is not empty.
func (l Labels) Cut() (string, Labels) {
	n := int(l[0]) | int(l[1])<<8
	return string(l[2 : 2+n]), l[2+n:]
}

// All yields names and values in ascending order of names.
func (l Labels) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for len(l) > 0 {
			var name, value string
			name, l = l.Cut()
			value, l = l.Cut()
			if !yield(name, value) {
				return
			}
		}
	}
}

// Pairs is the decoded label set.
func (l Labels) Pairs() []Label {
	var pairs []Label
	for name, value := range l.All() {
		pairs = append(pairs, Label{name, value})
	}
	return pairs
}

// Get is the value of the label name, "" if there is none.
func (l Labels) Get(name string) string {
	for n, value := range l.All() {
		if n == name {
			return value
		}
	}
	return ""
}

// With is the set with the label name set to value, replacing what it had.
func (l Labels) With(name, value string) Labels {
	pairs := slices.DeleteFunc(l.Pairs(), func(p Label) bool { return p.Name == name })
	with, err := EncodeLabels(append(pairs, Label{name, value}))
	if err != nil {
		return l // only a value of absurd size leads here; the series stays itself
	}
	return with
}

// TakenLabel is a label of the set that the exposition of a family of type t adds
// by itself: twice in one sample, it would make the whole answer invalid. "" if
// there is none.
func TakenLabel(t Type, labels Labels) string {
	for name := range labels.All() {
		if name == "__name__" || t == Histogram && name == "le" || t == Summary && name == "quantile" {
			return name
		}
	}
	return ""
}

// String is the set in the notation of PromQL.
func (l Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for name, value := range l.All() {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", name, value)
	}
	b.WriteByte('}')
	return b.String()
}

// ParseLabels checks that b is the canonical encoding of a label set and
// copies it.
func ParseLabels(b []byte) (Labels, error) {
	if len(b) > MaxLabelBytes {
		return "", fmt.Errorf("label set of %d bytes: %w", len(b), ErrLimit)
	}
	d := wire.Decoder{B: b}
	var last []byte
	for len(d.B) > 0 && d.Err == nil {
		name := d.Bytes(int(d.LittleU16()))
		value := d.Bytes(int(d.LittleU16()))
		if d.Err == nil && (bytes.Compare(name, last) <= 0 || !utf8.Valid(name) || !utf8.Valid(value)) {
			return "", fmt.Errorf("label %.40q: %w", name, ErrMalformed)
		}
		last = name
	}
	if d.Err != nil {
		return "", d.Err
	}
	return Labels(b), nil
}
