//go:build unix

package mmapstore

import (
	"fmt"
	"math"
	"os"
)

// noSeries stands in the numbering for a record that was refused.
const noSeries = -1

func (r *Reader) takeFamily(body []byte) error {
	if len(r.schema.Families) >= MaxFamilies {
		return fmt.Errorf("family number %d: %w", len(r.schema.Families)+1, ErrLimit)
	}
	f, err := decodeFamily(body)
	if err != nil {
		f = Family{} // invalid on purpose: series that refer to it are refused
	}
	r.schema.Families = append(r.schema.Families, f)
	return err
}

func (r *Reader) takeSeries(body []byte, size int64) error {
	if len(r.records) >= MaxSeries {
		return fmt.Errorf("series number %d: %w", len(r.records)+1, ErrLimit)
	}
	number, err := r.addSeries(body, size)
	r.records = append(r.records, number)
	return err
}

// addSeries returns the index of the new series in the schema, or noSeries.
func (r *Reader) addSeries(body []byte, size int64) (int32, error) {
	s, err := decodeSeries(body)
	if err != nil {
		return noSeries, err
	}
	if int64(s.family) >= int64(len(r.schema.Families)) || !r.schema.Families[s.family].Type.Valid() {
		return noSeries, fmt.Errorf("series of family %d: %w", s.family, ErrMalformed)
	}
	f := &r.schema.Families[s.family]
	if name := takenLabel(f.Type, s.labels); name != "" {
		return noSeries, fmt.Errorf("label %q in a %v: %w", name, f.Type, ErrMalformed)
	}
	word, err := r.addRun(s.offset, f.WordCount(1), f.Mode.Timed(), size)
	if err != nil {
		return noSeries, err
	}
	r.schema.Series = append(r.schema.Series, Series{
		Family: int(s.family), Labels: s.labels, Created: s.created, Word: word,
	})
	return int32(len(r.schema.Series) - 1), nil
}

// takenLabel is a label of the series that the exposition adds by itself: twice
// in one sample, it would make the whole answer invalid. "" if there is none.
func takenLabel(t Type, labels Labels) string {
	for name := range labels.All() {
		if name == "__name__" || t == Histogram && name == "le" || t == Summary && name == "quantile" {
			return name
		}
	}
	return ""
}

func (r *Reader) takeTombstone(body []byte, size int64) error {
	t, err := decodeTombstone(body)
	if err != nil {
		return err
	}
	if int64(t.series) >= int64(len(r.records)) {
		return fmt.Errorf("tombstone of series %d: %w", t.series, ErrMalformed)
	}
	series := r.records[t.series]
	if series == noSeries {
		return nil // its series was refused already
	}
	if _, ok := r.buried[series]; ok {
		return fmt.Errorf("second tombstone of series %d: %w", t.series, ErrMalformed)
	}
	word, err := r.addRun(t.offset, lifeWords, false, size)
	if err != nil {
		return err
	}
	r.buried[series] = struct{}{}
	r.schema.Tombstones = append(r.schema.Tombstones, Tombstone{Series: int(series), Word: word})
	return nil
}

// addRun checks where cells are said to lie and gives them a place in the
// vector.
func (r *Reader) addRun(off uint64, n int, timed bool, size int64) (word int, err error) {
	run := cellRun{off: uint32(off), word: uint32(r.schema.Words), n: uint16(n), timed: timed}
	switch {
	case off%wordSize != 0 || off < ChunkSize:
		return 0, fmt.Errorf("cells at %d: %w", off, ErrMalformed)
	case off > math.MaxUint32 || int64(off)+int64(runBytes(run)) > size:
		return 0, fmt.Errorf("cells at %d in a file of %d bytes: %w", off, size, ErrTruncated)
	case int64(off)+int64(runBytes(run)) > MaxFileSize:
		return 0, fmt.Errorf("cells at %d: %w", off, ErrLimit)
	case r.schema.Words+n > MaxWords:
		return 0, fmt.Errorf("%d words: %w", r.schema.Words+n, ErrLimit)
	case !r.holes.admit(int64(off), int64(runBytes(run))):
		return 0, fmt.Errorf("cells at %d, where the file has a hole: %w", off, ErrMalformed)
	}
	r.runs = append(r.runs, run)
	r.schema.Words += n
	r.need = max(r.need, int64(off)+int64(runBytes(run)))
	return int(run.word), nil
}

// extendView maps as much of the file as the known cells need.
func (r *Reader) extendView(size int64) error {
	if r.need <= r.viewed {
		return nil
	}
	if size < r.need {
		return &CorruptError{r.Path(), size, ErrTruncated}
	}
	want := min(roundUp(r.need, ChunkSize), size)
	view, err := newMapping(r.f, want)
	if err != nil {
		return err
	}
	r.view.release()
	r.view, r.viewed = view, want
	return nil
}

// Load fills dst, whose length is Schema.Words of this or an earlier Refresh,
// with the values of the moment. Each word is read whole, a timed gauge's pair
// consistently; words of different series may be of slightly different times.
// After an error dst holds anything.
func (r *Reader) Load(dst []uint64) error {
	view, runs, err := r.snapshot(len(dst))
	if err != nil {
		return err
	}
	defer view.release()
	return view.load(runs, dst)
}

// snapshot takes hold of what Load needs, so that it can read without the lock.
func (r *Reader) snapshot(words int) (*mapping, []cellRun, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, fmt.Errorf("load %s: %w", r.f.Name(), os.ErrClosed)
	}
	size, err := r.size()
	if err != nil {
		return nil, nil, err
	}
	// Words beyond the view exist after a Refresh that failed half-way.
	if have := min(size, r.viewed); have < r.need {
		return nil, nil, &CorruptError{r.Path(), have, ErrTruncated}
	}
	n := len(r.runs)
	for n > 0 && int(r.runs[n-1].word)+int(r.runs[n-1].n) > words {
		n--
	}
	return r.view.acquire(), r.runs[:n], nil
}

// Close closes the file. A Load under way ends first or fails; the mapping goes
// with its last user.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.view.release()
	return r.f.Close()
}

func loadTimed(cells []Word, to []uint64) {
	value, at, set := ReadLatest(cells)
	to[0], to[1], to[2] = 0, math.Float64bits(value), uint64(at)
	if set {
		to[0] = 1
	}
}
