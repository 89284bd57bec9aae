//go:build unix

package mmapstore

// lineMap says which cache lines of a file have their place in the vector of values. A
// writer fills lines with the cells of several series, and all lines of a window in
// the end. So a reader takes whole lines, as they lie in the file: it reads long runs,
// and no list of single cells.
type lineMap struct {
	windows map[int64]*window
	at      int64 // of the last window
	last    *window
}

// window has for each of its lines the word where it begins, and one more; 0 for a
// line without a place.
type window [linesPerWindow]int32

const lineWords = lineSize / wordSize

// of is the place of the line at the offset.
func (m *lineMap) of(off int64) *int32 {
	at := off / windowSize
	if m.last == nil || m.at != at {
		w := m.windows[at]
		if w == nil {
			if m.windows == nil {
				m.windows = make(map[int64]*window)
			}
			w = new(window)
			m.windows[at] = w
		}
		m.at, m.last = at, w
	}
	return &m.last[off%windowSize/lineSize]
}

// addLines gives n words at off a place in the vector, with the lines that they are
// in, or reports false if these have no place in a row. Then the words may have one of
// their own.
func (m *lineMap) addLines(c *Cells, at uint64, n int) (word int, ok bool) {
	if at%wordSize != 0 || at > uint64(c.size) {
		return 0, false
	}
	off := int64(at)
	begin, end := off/lineSize*lineSize, roundUp(off+int64(n)*wordSize, lineSize)
	if end > c.size {
		return 0, false
	}
	first := *m.of(begin)
	for at := begin; at < end; at += lineSize {
		want := int32(0)
		if first != 0 {
			want = first + int32((at-begin)/wordSize)
		}
		if *m.of(at) != want {
			return 0, false
		}
	}
	if first == 0 {
		added, err := c.addRow(begin, int((end-begin)/wordSize))
		if err != nil {
			return 0, false
		}
		first = int32(added) + 1
		for at := begin; at < end; at += lineSize {
			*m.of(at) = first + int32((at-begin)/wordSize)
		}
	}
	return int(first) - 1 + int(off-begin)/wordSize, true
}

// addRow is Add for words that may go on where the last run ends: then they make it
// longer, unless a Load may be under way that has it.
func (c *Cells) addRow(off int64, n int) (word int, err error) {
	if word, err = c.Add(uint64(off), uint64(off), n); err != nil {
		return 0, err
	}
	last := len(c.runs) - 1
	if last == 0 || last == len(c.ready.runs) {
		return word, nil
	}
	run, next := &c.runs[last-1], c.runs[last]
	if run.timed || run.off+runBytes(*run) != next.off || run.word+uint32(run.n) != next.word || int(run.n)+n > maxRow {
		return word, nil
	}
	run.n += next.n
	c.runs = c.runs[:last]
	return word, nil
}

// maxRow is how many words a run has at most.
const maxRow = 1<<16 - lineWords
