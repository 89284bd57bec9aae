//go:build unix

package stock

import (
	"fmt"
	"os"
	"sync"

	"github.com/promfold/promfold/mmapstore"
)

// Options of a reader. The zero value works.
type Options struct {
	// Overrides are what the operator says about families.
	Overrides mmapstore.Overrides
	// Open opens the file. Default: mmapstore.OpenRegular.
	Open func(path string) (*os.File, int64, error)
	// Siblings are asked before anything is parsed. May be nil.
	Siblings *Siblings
}

// Reader reads the file of some process that uses a stock client, which may be
// alive and writing. Its methods may be called by several goroutines at once.
type Reader struct {
	f      *os.File
	cells  *mmapstore.Cells
	loader loader

	// mu guards what was parsed, not the reading of cells.
	mu        sync.Mutex
	closed    bool
	format    Format
	met       bool             // the first key was decoded, by which the format knows the client
	head      [lengthSize]byte // of the file, as of the last Refresh
	layout    layout
	end       int64 // parsed up to here
	parsed    int64
	empty     bool
	index     *index
	plan      *plan
	least     int // words of a plan that was taken; earlier vectors have fewer
	overrides mmapstore.Overrides
	overruled bool    // overrides are others than those of the plan
	damages   damages // entries that were left out
	tail      damage  // why the last Refresh read no further, if it did not

	life                  life
	firstEntry, lastEntry specimen // that were read

	siblings *Siblings // may be nil
	sibling  *sibling  // what index and plan are of, and so not to be written to; or nil
	from     uint64    // the sibling that they were the beginning of, or 0
	raw      []byte    // entries to offer at the end of a Refresh
}

// Open opens the file at path, which is of the format f. Errors: ErrNotRegular,
// or what the file system says.
func Open(path string, f Format, o Options) (*Reader, error) {
	if o.Open == nil {
		o.Open = mmapstore.OpenRegular
	}
	file, _, err := o.Open(path)
	if err != nil {
		return nil, err
	}
	return &Reader{
		f: file, cells: mmapstore.NewCells(file), format: f, end: headerSize, overrides: o.Overrides,
		index: newIndex(), plan: newPlan(nil, o.Siblings), siblings: o.Siblings,
	}, nil
}

// Schema is what was parsed up to the last Refresh. The slices in it are shared
// and must not be written to; later parts of them are not seen by the caller.
func (r *Reader) Schema() mmapstore.Schema {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan.schema
}

// Load fills dst, whose length is Schema.Words of this or an earlier Refresh of
// the same Version, with the values of the moment; ErrRedone if there is another
// Version since. Words of different series, and of one histogram, may be of
// slightly different times. After an error dst holds anything; ErrTruncated is
// that of a file which does not hold any more what was read of it.
func (r *Reader) Load(dst []uint64) error {
	r.mu.Lock()
	p, life, least := *r.plan, r.life, max(r.plan.least, r.least)
	r.mu.Unlock()
	if life != asBefore {
		return r.lost()
	}
	if len(dst) < least || len(dst) > p.schema.Words {
		return fmt.Errorf("load %d words of %s: %w", len(dst), r.f.Name(), ErrRedone)
	}
	return r.loader.load(dst, &layoutOf{p, least}, r.cells)
}

// SetOverrides takes effect at the next Refresh. The same map again costs nothing.
func (r *Reader) SetOverrides(o mmapstore.Overrides) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mapAddress(o) != mapAddress(r.overrides) {
		r.overrides, r.overruled = o, true
	}
}

// Identity is the value of the label pid. It is valid after a Refresh.
func (r *Reader) Identity() string { return r.traits().Identity }

// PID is the process that the identity names, 0 where it names none. It is valid
// after a Refresh.
func (r *Reader) PID() int { return r.traits().PID }

// Foreign reports whether the file is an archive that another program maintains.
func (r *Reader) Foreign() bool { return r.traits().Foreign }

// LiveOnly reports whether nothing in the file outlives its process: all that it
// can hold, by its name, are gauges of a live mode.
func (r *Reader) LiveOnly() bool { return r.traits().Mode.Live() }

func (r *Reader) traits() Traits {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.format.Traits()
}

// Empty reports whether no entry had ever been written at the last Refresh.
func (r *Reader) Empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.empty
}

// File is the descriptor under which the file is read, for probes of liveness.
// The reader keeps it open and closes it.
func (r *Reader) File() *os.File { return r.f }

// Path is the name under which the file was opened.
func (r *Reader) Path() string { return r.f.Name() }

// ParsedBytes is how many bytes of entries were parsed since Open, or found to be
// a sibling's. It tells a test that nothing is parsed twice.
func (r *Reader) ParsedBytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parsed
}

// Probe asks whether the writer of the file lives. With samePIDNamespace, a pid
// in the file's name is known to mean the same to us.
func (r *Reader) Probe(samePIDNamespace bool) mmapstore.Verdict {
	return mmapstore.Probe(mmapstore.Suspect{File: r.f, PID: r.PID(), SamePIDNamespace: samePIDNamespace})
}

// Close closes the file. A Load under way ends first or fails.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if r.sibling != nil {
		r.siblings.letGo(r.sibling)
	}
	r.cells.Close()
	return r.f.Close()
}
