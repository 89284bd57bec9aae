package stock

import (
	"errors"
	"fmt"
	"math"

	"github.com/promfold/promfold/mmapstore"
)

// Labels that tell the parts of histograms and summaries.
const (
	boundLabel    = "le"
	quantileLabel = "quantile"
)

// shape is what a metric's families have in common.
type shape struct {
	typ  mmapstore.Type
	mode mmapstore.Mode
	help string
	drop bool
}

// shapeOf is what file, keys and operator say of a metric together.
func (m *metric) shapeOf(t *Traits, overrides mmapstore.Overrides) shape {
	o := overrides[m.name]
	s := shape{typ: t.Type, mode: t.Mode, help: m.help, drop: o.Drop}
	if o.Help != "" {
		s.help = o.Help
	}
	if t.Type == mmapstore.Histogram || t.Type == mmapstore.Summary {
		return s
	}
	switch o.Type {
	case mmapstore.Counter, mmapstore.Gauge, mmapstore.Untyped:
		s.typ = o.Type
	default:
		if s.typ != 0 {
			break
		}
		if s.typ = m.infer(); o.Mode != mmapstore.ModeNone {
			s.typ = mmapstore.Gauge
		}
	}
	s.mode = gaugeMode(s.typ, s.mode, o.Mode)
	return s
}

// gaugeMode is the mode of a family, given what its file and the operator say.
func gaugeMode(t mmapstore.Type, file, override mmapstore.Mode) mmapstore.Mode {
	switch {
	case t != mmapstore.Gauge:
		return mmapstore.ModeNone
	case override != mmapstore.ModeNone && override.Valid():
		return override
	case file == mmapstore.ModeNone:
		return mmapstore.Sum // what the clients do whose files tell no mode
	}
	return file
}

// infer guesses the type from the parts that the keys tell.
func (m *metric) infer() mmapstore.Type {
	switch {
	case m.bounds > 0:
		return mmapstore.Histogram
	case m.quantiles > 0 && m.parts[Value] == 0:
		return mmapstore.Summary
	}
	return mmapstore.Untyped
}

// parted reports whether a series of the type consists of several values.
func parted(t mmapstore.Type) bool {
	return t == mmapstore.Histogram || t == mmapstore.Summary
}

// checkPart holds an item to the type of its metric.
func (x *index) checkPart(it *item, t mmapstore.Type) error {
	markName := ""
	if it.mark != noMark {
		markName = x.marks[it.mark].name
	}
	switch {
	case t == mmapstore.Histogram && it.part == Count && markName == "":
		return nil // it is derived
	case t == mmapstore.Histogram && it.part == Sum && markName != quantileLabel:
		return nil
	case t == mmapstore.Histogram && it.part == Bucket:
		if !math.IsNaN(x.marks[it.mark].bound) {
			return nil
		}
		return fmt.Errorf("bound %.40q: %w", x.marks[it.mark].text, mmapstore.ErrMalformed)
	case t == mmapstore.Summary && (it.part == Sum || it.part == Count):
		return nil
	}
	return fmt.Errorf("a value that is no part of a %v: %w", t, mmapstore.ErrMalformed)
}

// checkFamily holds a family to the rules that all files share.
func checkFamily(f *mmapstore.Family) error {
	err := f.Validate()
	if errors.Is(err, mmapstore.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", mmapstore.ErrLimit, err)
	}
	return err
}
