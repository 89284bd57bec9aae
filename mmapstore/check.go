//go:build unix

package mmapstore

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Check reads the whole file at path and returns the faults that it finds, each a
// *CorruptError with its offset, or why the file cannot be opened or read; of
// each kind the first hundred. None means that a reader gets all of it. The file
// may be in use.
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
		return append(faults, err)
	}
	for _, find := range []func(*Schema, []uint64) []error{
		r.checkOverlaps, r.checkDuplicates, r.checkValues,
	} {
		faults = append(faults, find(&schema, words)...)
	}
	return faults
}

// checkOverlaps finds cells that two series share, and cells in the schema.
func (r *Reader) checkOverlaps(*Schema, []uint64) (faults []error) {
	runs := slices.Clone(r.cells.runs)
	slices.SortFunc(runs, func(a, b cellRun) int { return cmp.Compare(a.off, b.off) })
	end := uint32(0)
	for _, run := range runs {
		if len(faults) == maxDamages {
			break
		}
		if _, schema := slices.BinarySearch(r.chunks, int64(run.off)/ChunkSize*ChunkSize); schema {
			faults = append(faults, r.fault(run.off, "cell in the schema"))
		}
		if run.off < end {
			faults = append(faults, r.fault(run.off, "cell used twice"))
		}
		end = max(end, run.off+runBytes(run))
	}
	return faults
}

// checkDuplicates finds series that have two places.
func (r *Reader) checkDuplicates(s *Schema, _ []uint64) (faults []error) {
	seen := make(map[seriesKey]struct{}, len(s.Series))
	for _, series := range s.Series {
		if len(faults) == maxDamages {
			break
		}
		key := seriesKey{series.Family, series.Labels}
		if _, ok := seen[key]; ok {
			faults = append(faults, r.fault(r.cellOffset(series.Word), "series %s twice", s.nameOf(series)))
		}
		seen[key] = struct{}{}
	}
	return faults
}

// checkValues finds counters that no process can have counted.
func (r *Reader) checkValues(s *Schema, words []uint64) (faults []error) {
	for _, series := range s.Series {
		if len(faults) == maxDamages {
			break
		}
		if s.Families[series.Family].Type != Counter {
			continue
		}
		if v := math.Float64frombits(words[series.Word+1]); math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			faults = append(faults, r.fault(r.cellOffset(series.Word), "counter %s at %v", s.nameOf(series), v))
		}
	}
	return faults
}

// nameOf is the series as a fault shows it: whole label sets would fill a screen.
func (s *Schema) nameOf(series Series) string {
	name := s.Families[series.Family].Name + series.Labels.String()
	return fmt.Sprintf("%.200s", name)
}

func (r *Reader) fault(off uint32, format string, args ...any) error {
	err := fmt.Errorf(format+": %w", append(args, ErrMalformed)...)
	return &CorruptError{r.Path(), int64(off), err}
}

// cellOffset is where in the file the words of the vector from word on lie.
func (r *Reader) cellOffset(word int) uint32 {
	i, _ := slices.BinarySearchFunc(r.cells.runs, word, func(run cellRun, word int) int {
		return cmp.Compare(int(run.word), word)
	})
	return r.cells.runs[i].off
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
