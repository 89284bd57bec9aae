//go:build unix

package mmapstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/promfold/promfold/internal/wire"
)

// Reader reads the native file of some process, which may be alive and writing.
// Its methods may be called by several goroutines at once.
type Reader struct {
	header Header
	f      *os.File

	cells *Cells

	// mu guards the parsed schema and the adding of cells, not the reading of them.
	// It is taken before the lock of cells.
	mu      sync.Mutex
	closed  bool
	end     int64 // schema parsed up to here
	parsed  int64 // schema bytes read so far, jumps not counted
	schema  Schema
	lines   lineMap
	given   int                // words of all series
	records []int32            // by number of the series record: index in schema, or noSeries
	buried  map[int32]struct{} // indices of the series that have a tombstone
	chunks  []int64            // schema chunks behind the first
	damages []error
	stopped bool // the schema cannot be followed any further
}

// Open opens a file and reads its header; Refresh reads the rest. Errors: those
// of opening in errors.go, ErrTruncated, ErrChecksum, ErrMalformed, or what the
// file system says. Damage of the header is a *CorruptError; what the file
// system says is not, and may be different the next time.
func Open(path string) (*Reader, error) {
	f, size, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{f: f, cells: NewCells(f), end: headerSize, buried: make(map[int32]struct{})}
	r.schema.SumWords = 1
	if err := r.readHeader(size); err != nil {
		f.Close() // opened for reading: nothing of it can be lost
		return nil, err
	}
	return r, nil
}

func (r *Reader) readHeader(size int64) error {
	b := make([]byte, headerSumEnd)
	n, err := r.f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if r.header, err = decodeHeader(b[:n]); err == nil && size < headerSize {
		err = ErrTruncated
	}
	if err != nil {
		return &CorruptError{r.Path(), 0, err}
	}
	return r.cells.mapUpTo(headerSize)
}

// Header is the immutable head of the file.
func (r *Reader) Header() Header { return r.header }

// File is the descriptor under which the file is read, for probes of liveness.
// The reader keeps it open and closes it.
func (r *Reader) File() *os.File { return r.f }

// Path is the name under which the file was opened.
func (r *Reader) Path() string { return r.f.Name() }

// Schema is what was parsed up to the last Refresh. The slices in it are shared
// and must not be written to; later parts of them are not seen by the caller.
func (r *Reader) Schema() Schema {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.schema
}

// ParsedBytes is how much schema was read since Open. It tells a test that
// nothing is parsed twice.
func (r *Reader) ParsedBytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parsed
}

// Dropped is the writer's own count of series that got no place in the file.
func (r *Reader) Dropped() (uint64, error) { return r.cells.word(offDropped) }

// Refresh parses what was appended to the schema since the last call. Its error
// joins a *CorruptError for every damaged place found so far, each time; what
// could be read beside the damage stays in use.
func (r *Reader) Refresh() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	published, err := r.cells.word(offPublished)
	if err != nil {
		return err
	}
	size, err := r.cells.Stat()
	if err != nil {
		return err
	}
	if err := r.checkPublished(published, size); err != nil {
		r.stop(offPublished, fmt.Errorf("schema up to %d in a file of %d bytes: %w", published, size, err))
		return r.joinDamage()
	}
	for !r.stopped && r.end < int64(published) {
		if err := r.parseChunk(int64(published)); err != nil {
			return err
		}
	}
	if err := r.cells.Extend(); err != nil {
		return err
	}
	return r.joinDamage()
}

// checkPublished judges the word that says where the schema ends. 0 is a file
// just born; apart from that the word only grows, record by record.
func (r *Reader) checkPublished(published uint64, size int64) error {
	switch {
	case size < r.end || published > uint64(size):
		return ErrTruncated
	case published == 0 && r.end == headerSize:
		return nil
	case published < uint64(r.end) || published%recordAlign != 0:
		return ErrMalformed
	case published > MaxFileSize:
		return ErrLimit
	}
	return nil
}

func (r *Reader) joinDamage() error { return errors.Join(r.damages...) }

// maxDamages bounds what one bad file can make us remember and print.
const maxDamages = 100

func (r *Reader) damage(off int64, err error) {
	if len(r.damages) < maxDamages {
		r.damages = append(r.damages, &CorruptError{r.f.Name(), off, err})
	}
}

func (r *Reader) stop(off int64, err error) {
	if !r.stopped {
		r.stopped = true
		r.damage(off, err)
	}
}

// parseChunk reads the published rest of the present schema chunk, or up to
// where the schema leads into another.
func (r *Reader) parseChunk(published int64) error {
	limit := min(published, r.end/ChunkSize*ChunkSize+ChunkSize)
	b := make([]byte, limit-r.end)
	if _, err := r.f.ReadAt(b, r.end); err != nil {
		if errors.Is(err, io.EOF) {
			r.stop(r.end, ErrTruncated)
			return nil
		}
		return fmt.Errorf("read the schema of %s: %w", r.f.Name(), err)
	}
	d := wire.Decoder{B: b}
	for len(d.B) > 0 {
		at := limit - int64(len(d.B))
		kind, body, err := decodeRecord(&d)
		if err != nil {
			r.stop(at, err)
			return nil
		}
		r.parsed += limit - int64(len(d.B)) - at
		if kind == kindNext {
			r.follow(at, body, published)
			return nil
		}
		if err := r.take(kind, body); err != nil {
			r.damage(at, err)
		}
	}
	r.end = limit
	return nil
}

// follow goes on in the schema chunk that a kindNext record names. Offsets only
// rise, so no chain of records can lead in a circle.
func (r *Reader) follow(at int64, body []byte, published int64) {
	d := wire.Decoder{B: body}
	next := d.U64()
	if d.Err != nil || next%ChunkSize != 0 || next <= uint64(at) || next >= uint64(published) {
		r.stop(at, fmt.Errorf("next schema chunk at %d: %w", next, ErrMalformed))
		return
	}
	r.end = int64(next)
	r.chunks = append(r.chunks, r.end)
}

// take adds a record to the schema. A record that breaks a rule is left out;
// families keep their numbers, since later records refer to them.
func (r *Reader) take(kind uint16, body []byte) error {
	switch kind {
	case kindFamily:
		return r.takeFamily(body)
	case kindSeries:
		return r.takeSeries(body)
	case kindTombstone:
		return r.takeTombstone(body)
	default:
		return nil // a kind of a later minor version
	}
}
