package aggregate

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/promfold/promfold/mmapstore"
)

// Archive is the fold of dead processes: what they counted, and which files
// that was. A reader of the directory counts the archive and leaves out the
// files that it names; so the moment at which a file's counts change over from
// the one to the other is the moment at which the archive gets its name.
//
// An archive does not change once it was made; goroutines may share it.
type Archive struct {
	// ID is random and new with every generation: inode numbers come again.
	ID         mmapstore.ID
	Generation uint64

	Schema  mmapstore.Schema // with SumWords 2
	Words   []uint64
	History History

	// Absorbed are the files that the archive holds. Entries stay for a while
	// after the file has gone, so that a reader which still has the file open
	// can tell "absorbed" from "removed by somebody else".
	Absorbed []Absorbed
	// Horizon is the generation since which Absorbed is complete.
	Horizon uint64

	// ids is the set of Absorbed, made when it is first asked for: every scan
	// asks.
	idsOnce sync.Once
	ids     map[mmapstore.ID]bool
	// inodes is the newest generation that took in each inode, made likewise.
	inodesOnce sync.Once
	inodes     map[Inode]uint64
	// witness is of those who read this archive, in one process.
	witness Witness
}

// Succeed tells a at now that it takes the place of old for those who read old. If
// the clock went back after a was made, the times in a step back like all others.
func (a *Archive) Succeed(old *Archive, now time.Time) {
	var made int64
	for i := range a.Absorbed {
		if e := &a.Absorbed[i]; e.Generation == a.Generation {
			made = e.At
		}
	}
	old.witness.mu.Lock()
	defer old.witness.mu.Unlock()
	if made > now.UnixNano() {
		a.witness.last = old.witness.last
	}
}

// Absorbed is a file whose counts an archive holds.
type Absorbed struct {
	ID         mmapstore.ID
	Generation uint64 // of the archive that took it in
	At         int64  // when, Unix nanoseconds
	Inode      Inode  // of the file, or whatever else its source gave for it
}

// Inode is where a file's bytes are, for files without an ID of their own. The
// zero value means that it is not known.
type Inode struct {
	Dev, Ino uint64
}

// NewArchive is the archive of a directory where nobody has died yet.
func NewArchive() *Archive {
	return &Archive{Schema: mmapstore.Schema{SumWords: archiveSumWords}}
}

// archiveSumWords: sums are kept unrounded, as two floats.
const archiveSumWords = 2

// Holds reports whether the archive holds the file's counts.
func (a *Archive) Holds(id mmapstore.ID) bool { return a.AbsorbedIDs()[id] }

// AbsorbedIDs is the set of the files that the archive holds. It is shared, and
// must not be changed.
func (a *Archive) AbsorbedIDs() map[mmapstore.ID]bool {
	a.idsOnce.Do(func() { a.ids = idSet(a.Absorbed) })
	return a.ids
}

// TookIn reports whether a file with the inode was taken in after the generation
// since. Inode numbers are used again: the answer is about the file that had the
// inode at that generation only to who has kept it open since then.
func (a *Archive) TookIn(in Inode, since uint64) bool {
	a.inodesOnce.Do(func() {
		a.inodes = make(map[Inode]uint64)
		for i := range a.Absorbed {
			e := &a.Absorbed[i]
			a.inodes[e.Inode] = max(a.inodes[e.Inode], e.Generation)
		}
		delete(a.inodes, Inode{})
	})
	return a.inodes[in] > since
}

func idSet(absorbed []Absorbed) map[mmapstore.ID]bool {
	ids := make(map[mmapstore.ID]bool, len(absorbed))
	for i := range absorbed {
		ids[absorbed[i].ID] = true
	}
	return ids
}

// Source is the archive as a contributor to a merge, with its name for messages
// and the labels of its directory.
func (a *Archive) Source(name string, labels []mmapstore.Label) Source {
	return a.As(Meta{ID: a.ID, Name: name, State: mmapstore.Dead, Labels: labels, Witness: &a.witness})
}

// As is what the archive holds as a contributor of the given meta: a Record of
// another host, say, which may be alive.
func (a *Archive) As(meta Meta) Source { return &archiveSource{a, meta} }

type archiveSource struct {
	a    *Archive
	meta Meta
}

func (s *archiveSource) Meta() Meta               { return s.meta }
func (s *archiveSource) Schema() mmapstore.Schema { return s.a.Schema }
func (s *archiveSource) History() *History        { return &s.a.History }

func (s *archiveSource) Load(dst []uint64) error {
	if len(dst) != len(s.a.Words) {
		return fmt.Errorf("%s: %w", s.meta.Name, mmapstore.ErrMalformed)
	}
	copy(dst, s.a.Words)
	return nil
}

// Freeze reads a source once and for all. What is folded is then what was read,
// and reading cannot fail any more.
func Freeze(src Source) (Source, error) {
	f := &frozen{Source: src, schema: src.Schema()}
	f.words = make([]uint64, f.schema.Words)
	if err := src.Load(f.words); err != nil {
		return nil, fmt.Errorf("read %s: %w", src.Meta().Name, err)
	}
	return f, nil
}

type frozen struct {
	Source
	schema mmapstore.Schema
	words  []uint64
}

func (f *frozen) Schema() mmapstore.Schema { return f.schema }

func (f *frozen) Load(dst []uint64) error {
	copy(dst, f.words)
	return nil
}

// Expires reports whether a fold now, of nothing new, would change the archive: it
// would drop gauges of the dead, or ids that are old or too many.
func (a *Archive) Expires(o FoldOptions) bool {
	o.setDefaults()
	now := o.Now().UnixNano()
	if a.fromTheFuture(now) {
		return true
	}
	for _, past := range a.History.Series {
		if past.Died != 0 && now-past.Died > int64(o.DeadGauges) {
			return true
		}
	}
	if o.KeepAllIDs {
		return false
	}
	gone := 0
	for _, e := range a.Absorbed {
		if o.Lingering[e.ID] {
			continue
		}
		if gone++; gone > maxKeptIDs || now-e.At > int64(o.KeepIDs) {
			return true
		}
	}
	return false
}

// fromTheFuture reports whether a death is dated later than now.
func (a *Archive) fromTheFuture(now int64) bool {
	return slices.ContainsFunc(a.History.Series, func(past Past) bool { return past.Died > now })
}
