//go:build unix

package hermes

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// packet is what one datagram says. Fields that are absent or null are zero.
type packet struct {
	metric    []byte
	labels    []labelPair
	operation []byte
	// value of a gauge, observation of a histogram or summary, amount of a counter.
	value, observation, amount number
	// wrong are the fields of the payload that have another type than Hermes wants.
	// Which of them matter is for the metric to say.
	wrong field
}

type labelPair struct{ name, value []byte }

type number struct {
	given bool
	v     float64
}

// field is a set of fields of the payload.
type field uint8

const (
	fieldPayload field = 1 << iota // the payload itself
	fieldLabels
	fieldOperation
	fieldValue
	fieldObservation
	fieldAmount
)

// decoder reads datagrams as Hermes does, which is as encoding/json does: names of
// fields match in any case, the last of several wins, unknown ones are skipped, and
// what is not UTF-8 becomes U+FFFD. It is for one goroutine.
type decoder struct {
	json *jsontext.Decoder
	in   bytes.Buffer
	// text holds the strings of the packet. It has room for them all before the
	// first is read, so that none moves.
	text   []byte
	packet packet
}

// maxGrowth is how many bytes a byte of a JSON string can become: U+FFFD has three.
const maxGrowth = 3

var (
	decoderOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

	errType = errors.New("field of a wrong type")
)

func newDecoder() *decoder {
	d := &decoder{}
	d.json = jsontext.NewDecoder(&d.in, decoderOptions...)
	return d
}

// decode reads a datagram. The packet is valid until the next call. It fails
// where Hermes cannot tell what is meant, whatever the metric is.
func (d *decoder) decode(datagram []byte) (*packet, error) {
	d.in = *bytes.NewBuffer(datagram)
	d.json.Reset(&d.in, decoderOptions...)
	if n := maxGrowth * len(datagram); cap(d.text) < n {
		d.text = make([]byte, 0, n)
	}
	d.text = d.text[:0]
	d.packet = packet{labels: d.packet.labels[:0]}
	if err := d.object((*decoder).datagramField); err != nil {
		return nil, err
	}
	switch _, err := d.json.ReadToken(); {
	case err == nil:
		return nil, errType // more than one value
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return &d.packet, nil
}

// object reads an object by a call of f for each of its fields, whose value is then
// next; f reads that. null has no fields. Any other value is errType.
func (d *decoder) object(f func(d *decoder, name []byte) error) error {
	switch d.json.PeekKind() {
	case 'n':
		return d.json.SkipValue()
	case '{':
	default:
		return d.unexpected()
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != '}' {
		name, err := d.string()
		if err != nil {
			return err
		}
		if err := f(d, name); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// unexpected skips a value of a type that is not wanted: errType, unless it is no
// value at all.
func (d *decoder) unexpected() error {
	if err := d.json.SkipValue(); err != nil {
		return err
	}
	return errType
}

// string reads a string; nil for null. Any other value is errType.
func (d *decoder) string() ([]byte, error) {
	switch d.json.PeekKind() {
	case 'n':
		return nil, d.json.SkipValue()
	case '"':
	default:
		return nil, d.unexpected()
	}
	quoted, err := d.json.ReadValue()
	if err != nil {
		return nil, err
	}
	from := len(d.text)
	d.text, _ = jsontext.AppendUnquote(d.text, quoted) // fails for what is not UTF-8 alone, and replaces that
	return d.text[from:], nil
}

// number reads a number that a float64 can hold; none for null. Any other value is
// errType.
func (d *decoder) number() (n number, err error) {
	switch d.json.PeekKind() {
	case 'n':
		return n, d.json.SkipValue()
	case '0':
	default:
		return n, d.unexpected()
	}
	token, err := d.json.ReadToken()
	if err != nil {
		return n, err
	}
	n.v, err = token.Float()
	n.given = err == nil
	return n, err
}

// datagramField reads a field of the outermost object.
func (d *decoder) datagramField(name []byte) error {
	switch {
	case is(name, "metric_name"):
		metric, err := d.string()
		if metric != nil {
			d.packet.metric = metric
		}
		return err
	case is(name, "payload"):
		d.packet = packet{metric: d.packet.metric, labels: d.packet.labels[:0]}
		return d.tolerate(fieldPayload, d.object((*decoder).payloadField))
	default:
		return d.json.SkipValue()
	}
}

// payloadField reads a field of the payload.
func (d *decoder) payloadField(name []byte) (err error) {
	p, f := &d.packet, payloadFieldNamed(name)
	p.wrong &^= f
	switch f {
	case fieldLabels:
		p.labels = p.labels[:0]
		err = d.object((*decoder).label)
	case fieldOperation:
		p.operation, err = d.string()
	case fieldValue:
		p.value, err = d.number()
	case fieldObservation:
		p.observation, err = d.number()
	case fieldAmount:
		p.amount, err = d.number()
	default:
		return d.json.SkipValue()
	}
	return d.tolerate(f, err)
}

// payloadFieldNamed is the field that a name means, 0 if Hermes does not know it.
func payloadFieldNamed(name []byte) field {
	switch {
	case is(name, "labels"):
		return fieldLabels
	case is(name, "operation"):
		return fieldOperation
	case is(name, "value"):
		return fieldValue
	case is(name, "observation"):
		return fieldObservation
	case is(name, "amount"):
		return fieldAmount
	default:
		return 0
	}
}

// label reads a label's value: a string, or null, which is "". The name is its
// own, in its own case.
func (d *decoder) label(name []byte) error {
	value, err := d.string()
	d.packet.labels = append(d.packet.labels, labelPair{name, value})
	return d.tolerate(fieldLabels, err)
}

// tolerate notes that a field of the payload has a wrong type, and lets the reading go on.
func (d *decoder) tolerate(f field, err error) error {
	if err != nil && errors.Is(err, errType) {
		d.packet.wrong |= f
		return nil
	}
	return err
}

// is reports whether a name means a field. Most are written as Hermes' clients
// write them.
func is(name []byte, field string) bool {
	return string(name) == field || len(name) >= len(field) && bytes.EqualFold(name, []byte(field))
}
