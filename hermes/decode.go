//go:build unix

package hermes

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-faster/jx"
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
	json   *jx.Decoder
	packet packet
	// The methods that read fields, bound once.
	ofDatagram, ofPayload, ofLabels fieldReader
}

// fieldReader reads the value of an object's field.
type fieldReader = func(json *jx.Decoder, name []byte) error

var (
	errType     = errors.New("field of a wrong type")
	errTrailing = errors.New("more than one value")
)

func newDecoder() *decoder {
	d := &decoder{json: jx.DecodeBytes(nil)}
	d.ofDatagram, d.ofPayload, d.ofLabels = d.datagramField, d.payloadField, d.label
	return d
}

// decode reads a datagram. The packet is valid until the next call, and as long as
// the datagram is. It fails where Hermes cannot tell what is meant, whatever the
// metric is.
func (d *decoder) decode(datagram []byte) (*packet, error) {
	d.json.ResetBytes(datagram)
	d.packet = packet{labels: d.packet.labels[:0]}
	if err := d.object(d.ofDatagram); err != nil {
		return nil, err
	}
	if err := d.json.Skip(); err != io.EOF { //nolint:errorlint // wrapped it means JSON that is cut
		return nil, errTrailing
	}
	return &d.packet, nil
}

// object reads an object by a call of f for each of its fields. null has none. Any
// other value is errType.
func (d *decoder) object(f fieldReader) error {
	switch d.json.Next() {
	case jx.Object:
		return d.json.ObjBytes(f)
	case jx.Null:
		return d.json.Null()
	default:
		return d.unexpected()
	}
}

// unexpected skips a value of a type that is not wanted: errType, unless it is no
// value at all.
func (d *decoder) unexpected() error {
	if err := d.json.Skip(); err != nil {
		return err
	}
	return errType
}

// string reads a string; nil for null. Any other value is errType.
func (d *decoder) string() ([]byte, error) {
	switch d.json.Next() {
	case jx.String:
	case jx.Null:
		return nil, d.json.Null()
	default:
		return nil, d.unexpected()
	}
	raw, err := d.json.Raw()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return raw[1 : len(raw)-1], nil
	}
	var s string
	err = json.Unmarshal(raw, &s)
	return []byte(s), err
}

// number reads a number that a float64 can hold; none for null. Any other value is
// errType.
func (d *decoder) number() (n number, err error) {
	switch d.json.Next() {
	case jx.Number:
	case jx.Null:
		return n, d.json.Null()
	default:
		return n, d.unexpected()
	}
	raw, err := d.json.Raw()
	if err != nil {
		return n, err
	}
	n.v, err = strconv.ParseFloat(string(raw), 64)
	n.given = err == nil
	return n, err
}

// datagramField reads a field of the outermost object.
func (d *decoder) datagramField(_ *jx.Decoder, name []byte) error {
	switch {
	case is(name, "metric_name"):
		metric, err := d.string()
		if metric != nil {
			d.packet.metric = metric
		}
		return err
	case is(name, "payload"):
		d.packet = packet{metric: d.packet.metric, labels: d.packet.labels[:0]}
		return d.tolerate(fieldPayload, d.object(d.ofPayload))
	default:
		return d.json.Skip()
	}
}

// payloadField reads a field of the payload.
func (d *decoder) payloadField(_ *jx.Decoder, name []byte) (err error) {
	p, f := &d.packet, payloadFieldNamed(name)
	p.wrong &^= f
	switch f {
	case fieldLabels:
		p.labels = p.labels[:0]
		err = d.object(d.ofLabels)
	case fieldOperation:
		p.operation, err = d.string()
	case fieldValue:
		p.value, err = d.number()
	case fieldObservation:
		p.observation, err = d.number()
	case fieldAmount:
		p.amount, err = d.number()
	default:
		return d.json.Skip()
	}
	return d.tolerate(f, err)
}

// payloadFieldNamed is the field that a name means, 0 if there is none. Nearly all are
// written as Hermes' clients write them.
func payloadFieldNamed(name []byte) field {
	switch string(name) {
	case "labels":
		return fieldLabels
	case "operation":
		return fieldOperation
	case "value":
		return fieldValue
	case "observation":
		return fieldObservation
	case "amount":
		return fieldAmount
	}
	for _, known := range []string{"labels", "operation", "value", "observation", "amount"} {
		if bytes.EqualFold(name, []byte(known)) {
			return payloadFieldNamed([]byte(known))
		}
	}
	return 0
}

// label reads a label's value: a string, or null, which is "". The name is its
// own, in its own case.
func (d *decoder) label(_ *jx.Decoder, name []byte) error {
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

// is reports whether a name means a field.
func is(name []byte, field string) bool {
	return string(name) == field || bytes.EqualFold(name, []byte(field))
}
