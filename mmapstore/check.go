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

// extent is where in the file the cells of a series or a tombstone lie.
type extent struct{ off, end uint32 }

// extents are those of all series and tombstones, as they lie in the file.
func (r *Reader) extents(s *Schema) []extent {
	all := make([]extent, 0, len(s.Series)+len(s.Tombstones))
	add := func(word, n int) {
		off := r.cellOffset(word)
		all = append(all, extent{off, off + uint32(n)*wordSize})
	}
	for _, series := range s.Series {
		add(series.Word, s.Families[series.Family].cellWords())
	}
	for _, t := range s.Tombstones {
		add(t.Word, lifeWords)
	}
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	return all
}

// checkOverlaps finds cells that two series share, and cells in the schema.
func (r *Reader) checkOverlaps(s *Schema, _ []uint64) (faults []error) {
	end := uint32(0)
	for _, cells := range r.extents(s) {
		if len(faults) == maxDamages {
			break
		}
		if _, schema := slices.BinarySearch(r.chunks, int64(cells.off)/ChunkSize*ChunkSize); schema {
			faults = append(faults, r.fault(cells.off, "cell in the schema"))
		}
		if cells.off < end {
			faults = append(faults, r.fault(cells.off, "cell used twice"))
		}
		end = max(end, cells.end)
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
	runs := r.cells.runs
	i, begins := slices.BinarySearchFunc(runs, word, func(run cellRun, word int) int {
		return cmp.Compare(int(run.word), word)
	})
	if !begins {
		i--
	}
	return runs[i].off + (uint32(word)-runs[i].word)*wordSize
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
