//go:build unix

package directory

import (
	"os"
	"sync/atomic"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// tracked is the open file of a process, from the scan that finds it to the last
// view that shows it.
type tracked struct {
	reader *mmapstore.Reader
	info   os.FileInfo // of the descriptor: tells which file it is
	path   string
	// refs counts the Directory and the views that use the reader; the last
	// closes it.
	refs atomic.Int32

	// The rest is guarded by Directory.mu.
	verdict mmapstore.Verdict
	seen    uint64 // generation of the archive when the file was last listed
	orphan  bool   // others removed the name; the open descriptor is all there is
}

func (f *tracked) id() mmapstore.ID { return f.reader.Header().ID }

func (f *tracked) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.reader.Close() // read only: nothing can be lost
	}
}

// File is the file of a process as one scan saw it, and a source of a merge.
type File struct {
	file     *tracked
	verdict  mmapstore.Verdict
	identity string
	labels   []mmapstore.Label
	damage   error
	orphan   bool
}

// ID is the id in the file's header.
func (f *File) ID() mmapstore.ID { return f.file.id() }

// Path is the name under which the file was found.
func (f *File) Path() string { return f.file.path }

// Verdict is the answer to whether the writer lives.
func (f *File) Verdict() mmapstore.Verdict { return f.verdict }

// Damage is what is wrong with the file, nil if nothing.
func (f *File) Damage() error { return f.damage }

// Orphan reports whether the file lost its name to somebody other than an
// archiver.
func (f *File) Orphan() bool { return f.orphan }

// Dropped is how many series found no place in the file.
func (f *File) Dropped() uint64 {
	n, err := f.file.reader.Dropped()
	if err != nil {
		return 0
	}
	return n
}

// Meta implements aggregate.Source.
func (f *File) Meta() aggregate.Meta {
	return aggregate.Meta{
		ID:       f.ID(),
		Name:     f.file.path,
		Identity: f.identity,
		Created:  f.file.reader.Header().Created.UnixNano(),
		State:    f.verdict.State,
		Labels:   f.labels,
	}
}

// Schema implements aggregate.Source.
func (f *File) Schema() mmapstore.Schema { return f.file.reader.Schema() }

// Load implements aggregate.Source.
func (f *File) Load(dst []uint64) error { return f.file.reader.Load(dst) }

// History implements aggregate.Source: a process has none.
func (f *File) History() *aggregate.History { return nil }

// update probes the writer and then reads what it appended: in this order, so
// that nothing written before a death is missed. It returns what is damaged.
func (f *tracked) update() error {
	if f.verdict.State != mmapstore.Dead {
		f.verdict = f.reader.Probe()
	}
	return f.reader.Refresh()
}
