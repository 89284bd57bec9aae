//go:build unix

package mmapstore

import (
	"fmt"
	"math"
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

func (r *Reader) takeSeries(body []byte) error {
	if len(r.records) >= MaxSeries {
		return fmt.Errorf("series number %d: %w", len(r.records)+1, ErrLimit)
	}
	number, err := r.addSeries(body)
	r.records = append(r.records, number)
	return err
}

// addSeries returns the index of the new series in the schema, or noSeries.
func (r *Reader) addSeries(body []byte) (int32, error) {
	s, err := decodeSeries(body)
	if err != nil {
		return noSeries, err
	}
	if int64(s.family) >= int64(len(r.schema.Families)) || !r.schema.Families[s.family].Type.Valid() {
		return noSeries, fmt.Errorf("series of family %d: %w", s.family, ErrMalformed)
	}
	f := &r.schema.Families[s.family]
	if name := TakenLabel(f.Type, s.labels); name != "" {
		return noSeries, fmt.Errorf("label %q in a %v: %w", name, f.Type, ErrMalformed)
	}
	word, err := r.addRun(s.offset, f.WordCount(1), f.Mode.Timed())
	if err != nil {
		return noSeries, err
	}
	r.schema.Series = append(r.schema.Series, Series{
		Family: int(s.family), Labels: s.labels, Created: s.created, Word: word,
	})
	return int32(len(r.schema.Series) - 1), nil
}

func (r *Reader) takeTombstone(body []byte) error {
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
	word, err := r.addRun(t.offset, lifeWords, false)
	if err != nil {
		return err
	}
	r.buried[series] = struct{}{}
	r.schema.Tombstones = append(r.schema.Tombstones, Tombstone{Series: int(series), Word: word})
	return nil
}

// addRun gives cells a place in the vector of values, if they are where cells of
// a native file may lie.
func (r *Reader) addRun(off uint64, n int, timed bool) (word int, err error) {
	if off < ChunkSize {
		return 0, fmt.Errorf("cells at %d: %w", off, ErrMalformed)
	}
	// Cells that many series share cost a merge as much as if each had its own.
	if r.given += n; r.given > MaxWords {
		r.given -= n
		return 0, fmt.Errorf("%d words: %w", r.given+n, ErrLimit)
	}
	if !timed {
		var ok bool
		if word, ok = r.lines.addLines(r.cells, off, n); ok {
			r.schema.Words = r.cells.Words()
			return word, nil
		}
	}
	if word, err = r.cells.add(off, off, n, timed); err == nil {
		r.schema.Words = word + n
	}
	return word, err
}

// Load fills dst, whose length is Schema.Words of this or an earlier Refresh,
// with the values of the moment. Each word is read whole, a timed gauge's pair
// consistently; words of different series may be of slightly different times.
// After an error dst holds anything.
func (r *Reader) Load(dst []uint64) error { return r.cells.Load(dst) }

// LoadRest is Load of what is left of a file that somebody has cut off: see
// ErrTruncated. What lay beyond its end now is zero.
func (r *Reader) LoadRest(dst []uint64) error {
	end, err := r.cells.loadRest(dst)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.schema.Series {
		s := &r.schema.Series[i]
		f := &r.schema.Families[s.Family]
		r.clearCut(dst, s.Word, f.WordCount(1), f.cellWords(), end)
	}
	for _, t := range r.schema.Tombstones {
		r.clearCut(dst, t.Word, lifeWords, lifeWords, end)
	}
	return nil
}

// clearCut clears the words of cells of which the end of the file has cut off some: half
// a histogram counts for nothing.
func (r *Reader) clearCut(dst []uint64, word, words, cells int, end int64) {
	if word+words > len(dst) || int64(r.cellOffset(word))+int64(cells)*wordSize <= end {
		return
	}
	clear(dst[word : word+words])
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
	r.cells.Close()
	return r.f.Close()
}

func loadTimed(cells []Word, to []uint64) {
	value, at, set := ReadLatest(cells)
	to[0], to[1], to[2] = 0, math.Float64bits(value), uint64(at)
	if set {
		to[0] = 1
	}
}
