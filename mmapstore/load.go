//go:build unix

package mmapstore

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	mmap "github.com/edsrzf/mmap-go"
)

// mapping is a read-only view of the first bytes of a file. It is unmapped when
// the last of its users lets go, so that a reader may replace it while another
// goroutine still loads from it.
type mapping struct {
	m    mmap.MMap
	path string
	refs atomic.Int64
}

func newMapping(f *os.File, size int64) (*mapping, error) {
	m, err := mmap.MapRegion(f, int(size), mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	v := &mapping{m: m, path: f.Name()}
	v.refs.Store(1)
	return v, nil
}

// acquire is called under the lock of the reader that owns the mapping, so the
// count is not zero. Nothing mapped yet is nil, from which nothing is read.
func (v *mapping) acquire() *mapping {
	if v != nil {
		v.refs.Add(1)
	}
	return v
}

func (v *mapping) release() {
	if v != nil && v.refs.Add(-1) == 0 {
		_ = v.m.Unmap() // of a region that we mapped whole: cannot fail
	}
}

// cellRun leads from cells in the file to words of the vector.
type cellRun struct {
	off   uint32 // in the file; MaxFileSize fits
	word  uint32 // in the vector
	n     uint16 // words in the vector
	timed bool   // a gauge in a timed mode: see ReadLatest
}

// load, loadPlaces and peek are the one place that touches mapped memory of other processes. A page
// that is gone (the file was cut, or the medium failed) raises a fault, which
// becomes ErrTruncated. It returns as an error, so a lock that a caller holds is
// released by its defer; dst is all that it can leave half-way.
func (v *mapping) load(runs []cellRun, dst []uint64) error {
	if len(runs) == 0 {
		return nil // and nothing may be mapped yet
	}
	return v.guard(func() { v.copyRuns(runs, dst) })
}

// loadPlaces is load for words that lie one by one, or each by each, at the offsets.
func (v *mapping) loadPlaces(offsets []uint32, dst []uint64, each int) error {
	if len(offsets) == 0 {
		return nil
	}
	return v.guard(func() { v.copyPlaces(offsets, dst, each) })
}

// peek is for Cells.Peek alone.
func (v *mapping) peek(n int, f func([]byte)) error { return v.guard(func() { f(v.m[:n:n]) }) }

// copyRuns is for load alone.
func (v *mapping) copyRuns(runs []cellRun, dst []uint64) {
	words := v.words()
	for i := range runs {
		r := &runs[i]
		cells, to := words[r.off/wordSize:][:runBytes(*r)/wordSize], dst[r.word:][:r.n]
		if r.timed {
			loadTimed(cells, to)
			continue
		}
		for j := range cells {
			to[j] = cells[j].Load()
		}
	}
}

// copyPlaces is for loadPlaces alone. Cells far apart wait for memory each: the less
// there is to do between two of them, the more of them wait at once.
func (v *mapping) copyPlaces(offsets []uint32, dst []uint64, each int) {
	words := v.words()
	if each == 1 {
		dst = dst[:len(offsets)]
		for i, off := range offsets {
			dst[i] = words[off/wordSize].Load()
		}
		return
	}
	for _, off := range offsets {
		for i := range each {
			dst[i] = words[int(off/wordSize)+i].Load()
		}
		dst = dst[each:]
	}
}

// words is the whole mapping; a last part of a word is no cell.
func (v *mapping) words() []Word { return viewWords(v.m[:len(v.m)/wordSize*wordSize]) }

func runBytes(r cellRun) uint32 {
	if r.timed {
		return latestWords * wordSize
	}
	return uint32(r.n) * wordSize
}

// word loads one live word of the header.
func (v *mapping) word(off int) (value uint64, err error) {
	err = v.guard(func() { value = viewWords(v.m[off : off+wordSize])[0].Load() })
	return value, err
}

// guard runs f, turning a memory fault in it into an error that names the place.
// The setting belongs to the goroutine, so it is set here, around the access,
// and nowhere else.
func (v *mapping) guard(f func()) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(interface{ Addr() uintptr })
			if !ok {
				panic(r)
			}
			off := fault.Addr() - uintptr(unsafe.Pointer(&v.m[0]))
			if off >= uintptr(len(v.m)) {
				panic(r) // not of this mapping: a bug, not a damaged file
			}
			err = &CorruptError{v.path, int64(off), ErrTruncated}
		}
	}()
	f()
	return nil
}
