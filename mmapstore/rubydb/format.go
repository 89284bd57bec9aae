//go:build unix

package rubydb

import (
	"bytes"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// format is a file's share in reading it.
type format struct {
	traits  stock.Traits
	clock   clock
	family  []byte
	scratch []byte
}

func newFormat(n name, c clock) *format {
	return &format{
		clock:  c,
		family: []byte(n.family),
		traits: stock.Traits{
			Identity: n.pid, PID: n.number(), Sparse: true, Timed: true, Time: c.nanoseconds,
		},
	}
}

// Frame is that of the client: its keys contain their padding.
func (f *format) Frame() stock.Frame { return stock.PaddingWithin }

// kind is what decides how the keys of a file are understood.
type kind struct {
	family string
	clock  clock
}

// Kind is told by the name.
func (f *format) Kind() any { return kind{string(f.family), f.clock} }

// Traits are told by the name. The file has no types: the keys tell some.
func (f *format) Traits() stock.Traits { return f.traits }

// maxPadding is how many spaces a key ends in at most; one is always there.
const maxPadding = 8

// Decode takes a key apart: CGI-escaped pairs of name and value, as in a=1&b=2.
// Of a histogram, le is the bound of a bucket or "sum"; of a summary, quantile is
// "sum" or "count".
func (f *format) Decode(key []byte, k *stock.Key) error {
	text := bytes.TrimRight(key, " ")
	if n := len(key) - len(text); n == 0 || n > maxPadding {
		return stock.ErrKey
	}
	k.Family = f.family
	f.scratch = f.scratch[:0]
	for more := len(text) > 0; more; {
		var pair []byte
		pair, text, more = bytes.Cut(text, []byte("&"))
		name, value, ok := bytes.Cut(pair, []byte("="))
		if name, ok = f.unescape(name, ok); !ok || len(name) == 0 {
			return stock.ErrKey
		}
		if value, ok = f.unescape(value, ok); !ok {
			return stock.ErrKey
		}
		k.Labels = append(k.Labels, mmapstore.LabelBytes{Name: name, Value: value})
	}
	takeMark(k)
	return nil
}

// unescape undoes CGI.escape, unless ok is false already.
func (f *format) unescape(text []byte, ok bool) ([]byte, bool) {
	from := len(f.scratch)
	for i := 0; i < len(text) && ok; i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(text) {
				return nil, false
			}
			high, low := unhex[text[i+1]], unhex[text[i+2]]
			c, ok = (high-1)<<4|(low-1), high > 0 && low > 0
			i += 2
		default:
			ok = c > ' ' && c <= '~' && c != '='
		}
		f.scratch = append(f.scratch, c)
	}
	return f.scratch[from:len(f.scratch):len(f.scratch)], ok
}

// unhex is 1 more than the value of a hexadecimal digit, 0 for other bytes.
var unhex = func() (table [256]byte) {
	for i := range byte(16) {
		table["0123456789abcdef"[i]], table["0123456789ABCDEF"[i]] = i+1, i+1
	}
	return table
}()

// takeMark takes the label that tells the part of a series, if there is one.
func takeMark(k *stock.Key) {
	if i := find(k, "le"); i >= 0 {
		part := stock.Bucket
		if string(k.Labels[i].Value) == "sum" {
			part = stock.Sum
		}
		mark(k, i, "le", part)
		return
	}
	if i := find(k, "quantile"); i >= 0 {
		switch string(k.Labels[i].Value) {
		case "sum":
			mark(k, i, "quantile", stock.Sum)
		case "count":
			mark(k, i, "quantile", stock.Count)
		}
	}
}

func find(k *stock.Key, name string) int {
	for i, l := range k.Labels {
		if string(l.Name) == name {
			return i
		}
	}
	return -1
}

func mark(k *stock.Key, i int, name string, part stock.Part) {
	k.Part, k.MarkName, k.Mark = part, name, k.Labels[i].Value
	k.Labels = append(k.Labels[:i], k.Labels[i+1:]...)
}
