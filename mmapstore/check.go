//go:build unix

package mmapstore

import (
	"errors"
	"fmt"
	"math"
)

// Check reads the whole file at path and returns every fault that it finds,
// each a *CorruptError with its offset; none means that a reader gets all of
// it. The file may be in use.
func Check(path string) []error {
	r, err := Open(path)
	if err != nil {
		return []error{err}
	}
	defer r.Close()
	return r.check()
}

func (r *Reader) check() []error {
	faults := splitJoined(r.Refresh())
	schema := r.Schema()
	words := make([]uint64, schema.Words)
	if err := r.Load(words); err != nil {
		return append(faults, &CorruptError{r.Path(), 0, err})
	}
	faults = append(faults, r.checkOverlaps()...)
	faults = append(faults, r.checkDuplicates(&schema)...)
	return append(faults, r.checkValues(&schema, words)...)
}

// checkOverlaps finds cells that two series share.
func (r *Reader) checkOverlaps() (faults []error) {
	taken := make(map[uint32]struct{})
	for _, run := range r.runs {
		for off := run.off; off < run.off+runBytes(run); off += wordSize {
			if _, ok := taken[off]; ok {
				faults = append(faults, &CorruptError{r.Path(), int64(off), fmt.Errorf("cell used twice: %w", ErrMalformed)})
				break
			}
			taken[off] = struct{}{}
		}
	}
	return faults
}

func (r *Reader) checkDuplicates(s *Schema) (faults []error) {
	seen := make(map[seriesKey]struct{}, len(s.Series))
	for _, series := range s.Series {
		key := seriesKey{series.Family, series.Labels}
		if _, ok := seen[key]; ok {
			err := fmt.Errorf("series %s%v twice: %w", s.Families[series.Family].Name, series.Labels, ErrMalformed)
			faults = append(faults, &CorruptError{r.Path(), r.cellOffset(series.Word), err})
		}
		seen[key] = struct{}{}
	}
	return faults
}

// checkValues finds counters that no process can have counted.
func (r *Reader) checkValues(s *Schema, words []uint64) (faults []error) {
	for _, series := range s.Series {
		f := &s.Families[series.Family]
		if f.Type != Counter {
			continue
		}
		if v := math.Float64frombits(words[series.Word+1]); math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			err := fmt.Errorf("counter %s%v at %v: %w", f.Name, series.Labels, v, ErrMalformed)
			faults = append(faults, &CorruptError{r.Path(), r.cellOffset(series.Word), err})
		}
	}
	return faults
}

func (r *Reader) cellOffset(word int) int64 {
	for _, run := range r.runs {
		if int(run.word) == word {
			return int64(run.off)
		}
	}
	return 0
}

// splitJoined undoes errors.Join.
func splitJoined(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
