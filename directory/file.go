//go:build unix

package directory

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// tracked is the open file of a process, from the scan that finds it to the last
// view that shows it.
type tracked struct {
	process
	stock *stockFile  // the process, if it is one of a stock client; nil otherwise
	info  os.FileInfo // of the descriptor: tells which file it is
	path  string
	// refs counts the Directory and the views that use the file, under whichever
	// name; the last closes it.
	refs *atomic.Int32
	// witness is shared by all merges that take the file, under whichever name.
	witness *aggregate.Witness

	// The rest is guarded by Directory.mu.

	// listed is what a listing tells of the name as long as it leads to the file. It
	// is zero where that was not seen to be the inode of the file, and where the file
	// is not open, so that another may get the number.
	listed  aggregate.Inode
	verdict mmapstore.Verdict
	probed  time.Time // when the verdict was given
	seen    uint64    // generation of the archive when the file was last listed
	orphan  bool      // others removed the name; the open descriptor is all there is
	read    bool      // it was refreshed before
	ordered bool      // it is in Directory.order
	scan    uint64    // number of the last scan with it
	number  number
}

func (f *tracked) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.Close() // read only: nothing can be lost
	}
}

// renamed is the same open file, a stock client's, under the name by which an
// archiver set it aside.
func (f *tracked) renamed(path string) *tracked {
	s := f.stock.renamed(path)
	f.refs.Add(1)
	return &tracked{process: s, stock: s, info: f.info, path: path, refs: f.refs, witness: f.witness, seen: f.seen}
}

// nameless reports whether the file has no name any more, so that what the open
// descriptor shows is all there is of it.
func (f *tracked) nameless() bool {
	info, err := f.File().Stat()
	return err == nil && links(info) == 0
}

// isAside reports whether the file has the name that an archiver gave it.
func (f *tracked) isAside() bool { return f.stock != nil && f.stock.aside }

// seenAs notes how the listing shows the name of the file.
func (f *tracked) seenAs(e entry) *tracked {
	if _, closed := f.process.(*snapshot); !closed && inodeOf(f.info) == e.in {
		f.listed = e.in
	}
	return f
}

// unmoved reports whether a name with such an entry in a listing leads to the file
// still, and it holds what it held. A number stays the file's as long as it is open.
// Where that does not answer it, the name is to be looked up.
func (f *tracked) unmoved(in aggregate.Inode) bool {
	return f.listed == in && in.Ino != 0 && (f.stock == nil || !f.stock.Foreign() && !f.stock.Reused())
}

// probeDue probes the writer, if it is time. What the file holds is to be read after
// it, so that nothing written before a death is missed.
func (f *tracked) probeDue(now time.Time) {
	if f.due(now) {
		f.verdict, f.probed = f.probe(), now
	}
}

// due reports whether the writer is to be probed. A dead native file stays dead;
// that of a stock client may be taken up as long as it has its own name.
func (f *tracked) due(now time.Time) bool {
	switch {
	case f.probed.IsZero():
		return true
	case f.stock == nil:
		return f.verdict.State != mmapstore.Dead
	default:
		return f.orphan || f.stock.liveMatters() || now.Sub(f.probed) >= probePace
	}
}

// File is the file of a process as one scan saw it, and a source of a merge.
type File struct {
	file     *tracked
	verdict  mmapstore.Verdict
	identity string
	created  int64
	labels   []mmapstore.Label
	damage   error
	orphan   bool
}

// ID is the id in the file's header, or one that we gave it.
func (f *File) ID() mmapstore.ID { return f.file.id() }

// Owner is the process: several files of a stock client may have the same. The
// zero ID stands for a file that is not of one process, but of an archiver.
func (f *File) Owner() mmapstore.ID { return f.file.owner() }

// Native reports whether the file is of package worker, and not of a stock client.
func (f *File) Native() bool { return f.file.stock == nil }

// Path is the name under which the file was found.
func (f *File) Path() string { return f.file.path }

// Verdict is the answer to whether the writer lives.
func (f *File) Verdict() mmapstore.Verdict { return f.verdict }

// Damage is what is wrong with the file, nil if nothing.
func (f *File) Damage() error { return f.damage }

// Orphan reports whether the file lost its name to somebody other than an
// archiver.
func (f *File) Orphan() bool { return f.orphan }

// Nameless reports whether an orphan has no other name either. One that has may be
// found by it, and count again.
func (f *File) Nameless() bool { return f.file.nameless() }

// Dropped is how many series found no place in the file.
func (f *File) Dropped() uint64 { return f.file.dropped() }

// Meta implements aggregate.Source.
func (f *File) Meta() aggregate.Meta {
	return aggregate.Meta{
		ID:       f.ID(),
		Name:     f.file.path,
		Identity: f.identity,
		Created:  f.created,
		State:    f.verdict.State,
		Labels:   f.labels,
		Inode:    f.file.inode(),
		Witness:  f.file.witness,
	}
}

// Schema implements aggregate.Source.
func (f *File) Schema() mmapstore.Schema { return f.file.Schema() }

// Load implements aggregate.Source.
func (f *File) Load(dst []uint64) error { return f.file.Load(dst) }

// Keeps implements aggregate.Keeper: readers of stock clients' files know the last
// values, by which they tell what is but a moment's.
func (f *File) Keeps() bool {
	_, ok := f.file.process.(*stockFile)
	return ok
}

// LoadKept implements aggregate.Keeper.
func (f *File) LoadKept(dst []uint64) error { return f.file.stock.LoadKept(dst) }

// History implements aggregate.Source: a process has none.
func (f *File) History() *aggregate.History { return nil }
