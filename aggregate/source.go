package aggregate

import "github.com/promfold/promfold/mmapstore"

// Source is one contributor to a merge. A merge calls its methods from one
// goroutine at a time.
type Source interface {
	// Meta tells who the source is. Only State and Created may change between
	// calls.
	Meta() Meta
	// Schema lists families and series. It is append-only: see mmapstore.Schema.
	Schema() mmapstore.Schema
	// Load fills dst, of the length Schema().Words, with the values of the
	// moment. After an error dst holds anything, and the merge goes on with the
	// values of the last Load that worked.
	Load(dst []uint64) error
	// History is what an archive knows beyond the values, nil for a process.
	History() *History
}

// Keeper is a Source that may itself keep the values of the last Load that worked, so
// that a merge need not: that of a thousand processes takes as long as it takes to
// move what they hold through memory.
type Keeper interface {
	Source
	// Keeps reports whether it does, which does not change.
	Keeps() bool
	// LoadKept is Load for these values, dst having the length that it had then. After
	// an error, which means that they are lost, dst holds anything.
	LoadKept(dst []uint64) error
}

// Meta tells about a source what its series do not.
type Meta struct {
	// ID tells sources apart, over all scans: two with one ID count once.
	ID mmapstore.ID
	// Name is for messages: the path of a file, as a rule.
	Name string
	// Identity is the value of the label pid. The caller sees to it that
	// sources which live at the same time have different ones.
	Identity string
	// Created is the birth of the source in Unix nanoseconds. Where sources
	// disagree about a family, the newest is right.
	Created int64
	// State of the process. CannotTell counts as alive.
	State mmapstore.State
	// Labels are added to every series of the source.
	Labels []mmapstore.Label
	// Inode is the file's, where ID is not written in it, so that others who
	// have it open can tell that it was absorbed.
	Inode Inode
	// Delayed: what Load gives was read by somebody else, some time ago, so that our not
	// having found a set before says nothing about when it was made.
	Delayed bool
	// Witness is for who has the source open for several merges to remember, as
	// long as the source is the same. Default: each Merger has its own.
	Witness *Witness
}

func (m *Meta) dead() bool { return m.State == mmapstore.Dead }

// History is what an archive, or another source that stands for many, carries
// beside its values.
type History struct {
	// Families: by index of the family, the newest birth of a contributor.
	Families []int64
	// Series: by index of the series.
	Series []Past
	// Forgotten: by source, what of it counts no more.
	Forgotten map[mmapstore.ID][]Forgotten
}

// Past tells how the contributors of an archived series lived. Times are Unix
// nanoseconds, 0 where there was none.
type Past struct {
	Newest  int64 // latest birth of a contribution that was not deleted
	Deleted int64 // latest deletion that has not taken effect yet
	Died    int64 // when the series of a per-process gauge was archived; in a record, of any series: not 0 if nobody who lives shows it
}

// Forgotten is the share of a source in a series that left the exposition
// altogether, after its last live process had deleted it. The source's file
// still holds the share; what it counts beyond it, in a later life, is new.
type Forgotten struct {
	Series     int      // index in the source's schema
	Generation uint64   // the life that was forgotten: see mmapstore.Tombstone
	Words      []uint64 // the forgotten values; nil for gauges, which start afresh
}
