package pydb

import (
	"bytes"
	"fmt"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// client is who writes a file, told by its first key.
type client uint8

const (
	undecided client = iota
	python           // client_python from 0.16 on: the help is in the key
	plain            // client_python before, and the postmates fork
	gitlab           // GitLab's prometheus-client-mmap
)

// format is a file's share in reading it.
type format struct {
	name   name
	client client
	scan   scanner
	labels [][]byte // names of the labels, where they come before the values

	identity string
	pid      int
}

func newFormat(n name) *format {
	f := &format{name: n}
	f.identity, f.pid = pythonIdentity(n.id)
	return f
}

// Frame is that of all these clients.
func (f *format) Frame() stock.Frame { return stock.PaddingApart }

// kind is what decides how the keys of a file are understood.
type kind struct {
	typ    mmapstore.Type
	mode   mmapstore.Mode
	client client
}

// Kind is told by the name, and by the first key.
func (f *format) Kind() any { return kind{f.name.typ, f.name.mode, f.client} }

// Traits are told by the name, and by the first key.
func (f *format) Traits() stock.Traits {
	t := stock.Traits{
		Identity: f.identity, PID: f.pid, Foreign: f.name.foreign, Type: f.name.typ, Mode: f.name.mode,
		Cumulative: f.client == gitlab,
		Timed:      f.name.typ == mmapstore.Gauge,
		// client_python leaves out what was never set, postmates does not.
		UnsetAtZero: f.client == python && f.name.mode.Timed(),
	}
	if f.name.mode.Timed() {
		t.Time = nanoseconds
	}
	return t
}

// Decode takes a key apart. There are three forms:
//
//	["metric", "sample", ["label", ...], ["value", ...]]
//	["metric", "sample", {"label": "value", ...}]
//	["metric", "sample", {"label": "value", ...}, "help"]
func (f *format) Decode(key []byte, k *stock.Key) error {
	s := &f.scan
	*s = scanner{b: key, scratch: s.scratch[:0]}
	s.want('[')
	metric := s.str()
	s.want(',')
	spaced := s.i < len(key) && key[s.i] == ' '
	sample := s.str()
	s.want(',')
	lossy := s.lossy
	lists := s.peek() == '['
	var err error
	if lists {
		err = f.lists(k)
	} else {
		err = f.object(k)
	}
	helped := !lists && s.is(',')
	if helped {
		// What is no text costs no more than the help: null is empty.
		k.Help, _ = s.scalar()
		k.Helped = true
	}
	s.want(']')
	if !s.end() {
		return stock.ErrKey
	}
	f.decide(lists, spaced, helped)
	if err != nil {
		return err
	}
	if lossy {
		return fmt.Errorf("name %.40q: %w", sample, mmapstore.ErrMalformed)
	}
	if err := f.part(k, metric, sample); err != nil {
		return err
	}
	if f.name.typ == mmapstore.Gauge && f.client != gitlab {
		dropPID(k) // the collector does, and adds its own
	}
	return nil
}

// decide tells the client by the form of the first key.
func (f *format) decide(lists, spaced, helped bool) {
	switch {
	case f.client != undecided:
	case lists && !spaced:
		f.client = gitlab
		f.identity, f.pid = gitlabIdentity(f.name.id)
	case helped:
		f.client = python
	default:
		f.client = plain
	}
}

// lists takes the list of names and that of values.
func (f *format) lists(k *stock.Key) (err error) {
	s := &f.scan
	f.labels = f.labels[:0]
	s.list('[', ']', func() { f.labels = append(f.labels, s.str()) })
	if s.lossy {
		err = fmt.Errorf("name of a label: %w", mmapstore.ErrMalformed)
	}
	s.want(',')
	n := 0
	s.list('[', ']', func() {
		value, ok := s.scalar()
		if !ok {
			err = fmt.Errorf("value %d of a label: %w", n, mmapstore.ErrMalformed)
		}
		if n < len(f.labels) {
			k.Labels = append(k.Labels, mmapstore.LabelBytes{Name: f.labels[n], Value: value})
		}
		n++
	})
	if n != len(f.labels) {
		err = fmt.Errorf("%d labels with %d values: %w", len(f.labels), n, mmapstore.ErrMalformed)
	}
	return err
}

// object takes names and values in pairs.
func (f *format) object(k *stock.Key) (err error) {
	s := &f.scan
	s.list('{', '}', func() {
		s.lossy = false
		name := s.str()
		lossy := s.lossy
		s.want(':')
		value, ok := s.scalar()
		if !ok || lossy {
			err = fmt.Errorf("label %.40q: %w", name, mmapstore.ErrMalformed)
		}
		k.Labels = append(k.Labels, mmapstore.LabelBytes{Name: name, Value: value})
	})
	return err
}

// part tells family and part by the names of metric and sample.
func (f *format) part(k *stock.Key, metric, sample []byte) error {
	k.Family = metric
	if f.name.typ != mmapstore.Histogram && f.name.typ != mmapstore.Summary {
		k.Family = sample // the metric's name may be without _total
		return nil
	}
	ending, ok := bytes.CutPrefix(sample, metric)
	switch {
	case !ok:
	case string(ending) == "_sum":
		k.Part = stock.Sum
		return nil
	case string(ending) == "_count":
		k.Part = stock.Count
		return nil
	case string(ending) == "_bucket" && f.name.typ == mmapstore.Histogram:
		k.Part = stock.Bucket
		return takeBound(k)
	}
	return fmt.Errorf("sample %.40q of %v %.40q: %w", sample, f.name.typ, metric, mmapstore.ErrMalformed)
}

// takeBound makes the label le the mark of the key.
func takeBound(k *stock.Key) error {
	for i, l := range k.Labels {
		if string(l.Name) == "le" {
			k.MarkName, k.Mark = "le", l.Value
			k.Labels = append(k.Labels[:i], k.Labels[i+1:]...)
			return nil
		}
	}
	return fmt.Errorf("bucket without a bound: %w", mmapstore.ErrMalformed)
}

func dropPID(k *stock.Key) {
	kept := k.Labels[:0]
	for _, l := range k.Labels {
		if string(l.Name) != "pid" {
			kept = append(kept, l)
		}
	}
	k.Labels = kept
}
