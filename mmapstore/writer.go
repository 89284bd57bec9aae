//go:build unix

package mmapstore

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// WriterOptions are the choices of Create. The zero value works.
type WriterOptions struct {
	// Identity is the value of the label pid. Default: the process id.
	Identity string
	// FileMode is the permission of the file, whatever the umask. Default 0640.
	FileMode os.FileMode
	// MaxSeries caps the series of this file. Default and upper limit: the
	// package's MaxSeries.
	MaxSeries int
}

// Writer writes the file of one process. All methods may be called by many
// goroutines at once. The cells that it hands out are written without it.
type Writer struct {
	path      string
	maxSeries int
	published *Word // see offPublished
	dropped   *Word // see offDropped
	closed    atomic.Bool

	// mu guards everything below: the schema is written by one goroutine at a
	// time. It is never held while a cell is written.
	mu       sync.Mutex
	f        *os.File
	size     int64 // of the file; a multiple of ChunkSize
	end      int64 // where the next schema record goes
	limit    int64 // end of the present schema chunk
	alloc    cellAllocator
	spare    int64            // a chunk that the file has grown and nobody entered, or 0
	cells    int64            // the chunk of cells in which windows are reserved, or 0
	cellsEnd int64            // its first byte that is not reserved
	mapped   map[int64][]byte // chunks by file offset: the header's and the cells'
	families []Family
	series   int
	words    int                // in windows for cells: the most that readers will load
	lives    map[int][]Word     // life cells of the series that were ever deleted
	deleted  map[seriesKey]Slot // series that are deleted now
}

type seriesKey struct {
	family int
	labels Labels
}

// Slot is the place of one series in the file.
type Slot struct {
	// Cells are the words of the series: see Schema, with SumWords 1. A gauge
	// in a timed mode is LatestCell's. They stay valid for the life of the
	// process: Close turns them into private memory that nobody reads.
	Cells []Word
	// Resumed: the series was deleted before and has its old cells back.
	// Cumulative cells still hold their old values, from which the new life
	// counts on; gauges are unset.
	Resumed bool

	id  int
	key seriesKey
}

// Create makes the file of this process in dir. On a file system that is full
// it fails before anything is mapped.
func Create(dir string, o WriterOptions) (*Writer, error) {
	return create(dir, Header{ID: NewID(), Process: currentProcess(), Created: time.Now()}, o)
}

// create is Create for a process, an id and a time of the caller's choice.
func create(dir string, h Header, o WriterOptions) (*Writer, error) {
	h.Identity = strings.ToValidUTF8(o.Identity, "\uFFFD") // it becomes a label value
	if h.Identity == "" {
		h.Identity = strconv.Itoa(int(h.Process.PID))
	}
	if len(h.Identity) > MaxIdentity {
		return nil, fmt.Errorf("identity of %d bytes: %w", len(h.Identity), ErrTooLarge)
	}
	if o.FileMode == 0 {
		o.FileMode = 0o640
	}
	if o.MaxSeries <= 0 || o.MaxSeries > MaxSeries {
		o.MaxSeries = MaxSeries
	}
	f, header, err := birth(dir, &h, o.FileMode)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		path:      f.Name(),
		maxSeries: o.MaxSeries,
		published: &viewWords(header[offPublished : offPublished+wordSize])[0],
		dropped:   &viewWords(header[offDropped : offDropped+wordSize])[0],
		f:         f,
		size:      ChunkSize,
		end:       headerSize,
		limit:     ChunkSize,
		mapped:    map[int64][]byte{0: header},
		lives:     make(map[int][]Word),
		deleted:   make(map[seriesKey]Slot),
	}
	w.alloc.window = w.reserveWindow
	return w, nil
}

// Path is the name under which the file was made; it is not looked at again.
func (w *Writer) Path() string { return w.path }

// AddFamily writes a family and returns its number for AddSeries. Two families
// may have the same name, as far as the file goes. It fails with ErrTooLarge,
// ErrMalformed, ErrClosed or what the file system says; then nothing changed.
func (w *Writer) AddFamily(f Family) (int, error) {
	if err := f.Validate(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Load() {
		return 0, ErrClosed
	}
	if len(w.families) >= MaxFamilies {
		return 0, fmt.Errorf("family %q is number %d: %w", f.Name, len(w.families)+1, ErrTooLarge)
	}
	if err := w.publish(encodeRecord(kindFamily, encodeFamily(&f))); err != nil {
		return 0, err
	}
	w.families = append(w.families, f)
	return len(w.families) - 1, nil
}

// AddSeries gives a series its place. The caller sees to it that a label set
// is added once, unless it was deleted in between: then it takes its own place
// back. Errors as of AddFamily.
func (w *Writer) AddSeries(family int, labels Labels, created time.Time) (Slot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Load() {
		return Slot{}, ErrClosed
	}
	if family < 0 || family >= len(w.families) {
		return Slot{}, fmt.Errorf("family %d: %w", family, ErrMalformed)
	}
	key := seriesKey{family, labels}
	if s, ok := w.deleted[key]; ok {
		return w.resume(s, created), nil
	}
	if w.series >= w.maxSeries {
		return Slot{}, fmt.Errorf("series number %d: %w", w.series+1, ErrTooLarge)
	}
	f := &w.families[family]
	cells, off, err := w.allocCells(f.cellWords())
	if err != nil {
		return Slot{}, err
	}
	r := seriesRecord{uint32(family), created.UnixNano(), uint64(off), labels}
	if err := w.publish(encodeRecord(kindSeries, r.encode())); err != nil {
		return Slot{}, err
	}
	w.series++
	return Slot{Cells: cells, id: w.series - 1, key: key}, nil
}

// cellWords is the number of words that a series of the family has in a file.
func (f *Family) cellWords() int {
	if f.Mode.Timed() {
		return latestWords
	}
	return f.WordCount(1)
}

func (w *Writer) resume(s Slot, created time.Time) Slot {
	delete(w.deleted, s.key)
	life := w.lives[s.id]
	s.clearGauge(w.families)
	life[lifeCreated].Store(uint64(created.UnixNano()))
	life[lifeGeneration].Add(1) // even: alive
	s.Resumed = true
	return s
}

// Delete marks the series deleted. Its place stays its own: see AddSeries. The
// first deletion of a series needs room in the file, and may fail as AddSeries
// may; then the series stays.
func (w *Writer) Delete(s Slot) error { return w.delete(s, time.Now()) }

func (w *Writer) delete(s Slot, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Load() {
		return ErrClosed
	}
	if _, ok := w.deleted[s.key]; ok {
		return nil
	}
	life, ok := w.lives[s.id]
	if !ok {
		var err error
		if life, err = w.bury(s.id); err != nil {
			return err
		}
	}
	life[lifeDeleted].Store(uint64(now.UnixNano()))
	life[lifeGeneration].Add(1) // odd: deleted
	s.clearGauge(w.families)
	w.deleted[s.key] = s
	return nil
}

// bury writes the tombstone of a series.
func (w *Writer) bury(series int) ([]Word, error) {
	life, off, err := w.allocCells(lifeWords)
	if err != nil {
		return nil, err
	}
	r := tombstoneRecord{uint32(series), uint64(off)}
	if err := w.publish(encodeRecord(kindTombstone, r.encode())); err != nil {
		return nil, err
	}
	w.lives[series] = life
	return life, nil
}

// Unset makes a gauge one that was never set; it leaves cumulative series alone.
// Nobody else may store into the first word of a timed gauge: see latest.go.
func (w *Writer) Unset(s Slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.clearGauge(w.families)
}

// clearGauge unsets a gauge. Cumulative cells keep their values: what they
// counted is still part of totals that must not go down.
func (s *Slot) clearGauge(families []Family) {
	switch f := &families[s.key.family]; {
	case f.Type.Cumulative():
	case f.Mode.Timed():
		clearLatest(s.Cells)
	default:
		s.Cells[0].Store(0)
	}
}

// CountDropped notes that a series had to live without a place in the file.
func (w *Writer) CountDropped() { w.dropped.Add(1) }

// Close detaches every cell from the file and gives up the life lock, after
// which the process counts as dead. Increments that returned before Close was
// called are in the file; later ones go nowhere. After an error the process
// still counts as alive, and Close may be called again; it does nothing after
// one that returned nil.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Swap(true) && w.mapped == nil {
		return nil
	}
	if header := w.mapped[0]; header != nil {
		viewWords(header[offClosed : offClosed+wordSize])[0].Store(1)
	}
	// The order matters: a file that tests as dead must not be written to.
	for off, chunk := range w.mapped {
		if err := detachChunk(chunk); err != nil {
			return err // still locked, still alive: nothing is lost
		}
		delete(w.mapped, off)
	}
	w.mapped = nil
	return w.f.Close()
}

// publish writes a record where the schema ends and then moves the end.
func (w *Writer) publish(record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("record of %d bytes: %w", len(record), ErrTooLarge)
	}
	if w.end+int64(len(record))+nextRecordSize > w.limit {
		if err := w.nextSchemaChunk(); err != nil {
			return err
		}
	}
	if _, err := w.f.WriteAt(record, w.end); err != nil {
		return fmt.Errorf("append to the schema: %w", err)
	}
	w.end += int64(len(record))
	w.published.Store(uint64(w.end))
	return nil
}

// nextSchemaChunk leads the schema into a new chunk. The leading record is
// published together with the first record over there.
func (w *Writer) nextSchemaChunk() error {
	if err := w.grow(); err != nil {
		return err
	}
	next := encodeRecord(kindNext, binary.NativeEndian.AppendUint64(nil, uint64(w.spare)))
	if _, err := w.f.WriteAt(next, w.end); err != nil {
		return fmt.Errorf("extend the schema: %w", err)
	}
	w.end, w.limit, w.spare = w.spare, w.spare+ChunkSize, 0
	return nil
}

// grow sees to it that there is a spare chunk, sparse. Whoever enters it takes
// it from there; until then the file does not grow, however often that fails.
func (w *Writer) grow() error {
	if w.spare != 0 {
		return nil
	}
	off := w.size
	if off+ChunkSize > MaxFileSize {
		return fmt.Errorf("file of %d bytes: %w", off+ChunkSize, ErrTooLarge)
	}
	if err := w.f.Truncate(off + ChunkSize); err != nil {
		return fmt.Errorf("extend the file: %w", err)
	}
	w.size += ChunkSize
	w.spare = off
	return nil
}

// reserveWindow is the cell allocator's source of space.
func (w *Writer) reserveWindow(size int64) (int64, error) {
	words := w.words + int(size/wordSize)
	if words > MaxWords {
		return 0, fmt.Errorf("word number %d: %w", words, ErrTooLarge)
	}
	if w.cells == 0 || w.cellsEnd+size > w.cells+ChunkSize {
		if err := w.grow(); err != nil {
			return 0, err
		}
		chunk, err := mapChunk(w.f, w.spare)
		if err != nil {
			return 0, err
		}
		w.mapped[w.spare] = chunk
		w.cells, w.cellsEnd, w.spare = w.spare, w.spare, 0
	}
	off := w.cellsEnd
	if err := reserve(w.f, off, size); err != nil {
		return 0, fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	w.cellsEnd += size
	w.words = words
	return off, nil
}

// allocCells reserves n words and views them.
func (w *Writer) allocCells(n int) ([]Word, int64, error) {
	off, err := w.alloc.alloc(n)
	if err != nil {
		return nil, 0, err
	}
	i := off % ChunkSize
	return viewWords(w.mapped[off-i][i : i+int64(n)*wordSize]), off, nil
}
