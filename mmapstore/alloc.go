package mmapstore

// cellAllocator hands out file space for cells, window by window. It knows
// offsets only; the writer reserves and maps.
//
// Two layouts keep goroutines that write different series off each other's
// cache lines, and still leave no gaps worth the name. Cells of up to
// smallWords words go into a small window line by line: the first of every
// line, then the second of every line, and so on until the window is dense.
// Longer runs lie one after the other, each from the start of a line.
type cellAllocator struct {
	// window reserves a fresh window (or several, for a long run) and returns
	// its file offset.
	window func(size int64) (int64, error)

	small     int64 // offset of the present small window
	smallUsed int   // cells taken from it
	run       int64 // next free line for runs
	runEnd    int64 // end of the space reserved for runs
}

const (
	smallWords     = 2
	smallSize      = smallWords * wordSize
	linesPerWindow = windowSize / lineSize
	cellsPerWindow = windowSize / smallSize
)

// alloc returns the file offset of n words.
func (a *cellAllocator) alloc(n int) (int64, error) {
	if n <= smallWords {
		return a.allocSmall()
	}
	return a.allocRun(roundUp(int64(n)*wordSize, lineSize))
}

func (a *cellAllocator) allocSmall() (int64, error) {
	if a.small == 0 || a.smallUsed == cellsPerWindow {
		off, err := a.window(windowSize)
		if err != nil {
			return 0, err
		}
		a.small, a.smallUsed = off, 0
	}
	line, column := a.smallUsed%linesPerWindow, a.smallUsed/linesPerWindow
	a.smallUsed++
	return a.small + int64(line*lineSize+column*smallSize), nil
}

func (a *cellAllocator) allocRun(size int64) (int64, error) {
	if a.run+size > a.runEnd {
		need := roundUp(size, windowSize)
		off, err := a.window(need)
		if err != nil {
			return 0, err
		}
		// Cells must not span two chunks: each is mapped on its own.
		if off != a.runEnd || off%ChunkSize == 0 {
			a.run = off
		}
		a.runEnd = off + need
	}
	off := a.run
	a.run += size
	return off, nil
}
