package mmapstore

import (
	"crypto/rand"
	"fmt"
)

// Type is the type of a metric family.
type Type uint8

// The types, as stored in files: their numbers never change.
const (
	Untyped   Type = 1
	Counter   Type = 2
	Gauge     Type = 3
	Histogram Type = 4
	Summary   Type = 5 // _sum and _count alone
	Info      Type = 6
	StateSet  Type = 7
)

var typeNames = [...]string{
	Untyped: "untyped", Counter: "counter", Gauge: "gauge", Histogram: "histogram",
	Summary: "summary", Info: "info", StateSet: "stateset",
}

// Valid reports whether t is one of the types above.
func (t Type) Valid() bool { return t >= Untyped && t <= StateSet }

func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return typeNames[t]
}

// Cumulative reports whether the values of the type only grow, and are summed
// over processes, the dead among them.
func (t Type) Cumulative() bool {
	return t == Counter || t == Histogram || t == Summary || t == Untyped
}

// Mode says how the gauges of several processes become one. Types other than
// gauge, info and stateset have ModeNone.
type Mode uint8

// The modes, as stored in files: their numbers never change.
const (
	ModeNone   Mode = 0
	All        Mode = 1 // one series per process, label pid
	LiveAll    Mode = 2
	Latest     Mode = 3 // newest update
	LiveLatest Mode = 4
	Max        Mode = 5
	LiveMax    Mode = 6
	Min        Mode = 7
	LiveMin    Mode = 8
	Sum        Mode = 9
	LiveSum    Mode = 10
)

var modeNames = [...]string{
	ModeNone: "", All: "all", LiveAll: "liveall", Latest: "latest", LiveLatest: "livelatest",
	Max: "max", LiveMax: "livemax", Min: "min", LiveMin: "livemin", Sum: "sum", LiveSum: "livesum",
}

// ParseMode reads the name of a gauge mode. It knows client_python's
// mostrecent and livemostrecent beside our own latest and livelatest.
func ParseMode(s string) (Mode, error) {
	switch s {
	case "mostrecent":
		return Latest, nil
	case "livemostrecent":
		return LiveLatest, nil
	}
	for m, name := range modeNames {
		if name == s && m != int(ModeNone) {
			return Mode(m), nil
		}
	}
	return ModeNone, fmt.Errorf("unknown gauge mode %q", s)
}

// Valid reports whether m is ModeNone or one of the modes above.
func (m Mode) Valid() bool { return m <= LiveSum }

func (m Mode) String() string {
	if !m.Valid() {
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
	return modeNames[m]
}

// Live reports whether dead processes have no part in the mode.
func (m Mode) Live() bool {
	return m == LiveAll || m == LiveLatest || m == LiveMax || m == LiveMin || m == LiveSum
}

// PerProcess reports whether the mode exposes one series per process.
func (m Mode) PerProcess() bool { return m == All || m == LiveAll }

// Timed reports whether gauges of the mode carry the time of their last set.
func (m Mode) Timed() bool { return m == Latest || m == LiveLatest }

// ID is the random 128-bit identity of a file, which inode numbers, pids and
// names cannot give: they are all used again.
type ID [16]byte

// NewID makes up an id that no other file has.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails: see its documentation
	return id
}

func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// Family describes the series that share a name.
type Family struct {
	Name   string
	Help   string
	Unit   string
	Type   Type
	Mode   Mode
	Bounds []float64 // finite upper bounds of a histogram, ascending; +Inf is implied
	// Spelled is the text of each bound in the label le, as the source has it;
	// nil where the text format's own spelling does. Native files have none.
	Spelled []string
	// Partial: the source tells only the bounds below which something was
	// observed; the family may have more.
	Partial bool
}

// Series is one label set of a family, and where its values are.
type Series struct {
	Family  int    // index into Schema.Families
	Labels  Labels // without the family's name
	Created int64  // Unix nanoseconds, 0 where unknown
	Word    int    // index of its first word in what Load fills; see Schema
}

// Tombstone says where to look whether a series was deleted: at Word lie its
// generation (odd: deleted now), the creation time of its present life and the
// time of its last deletion (both Unix nanoseconds).
type Tombstone struct {
	Series int
	Word   int
}

// Schema is what a source holds, apart from the values. It is append-only:
// entries, once seen, never change, so that a merge compiles each once. A source
// that must lay out its series anew, because a histogram got another bucket,
// say, gives the new schema another Version.
//
// The values of a source are a vector of Words 64-bit words. A series' words
// begin at Series.Word, in this order:
//
//	counter, untyped   count uint64, then SumWords float64
//	histogram          SumWords float64 (the sum), then a uint64 per bound and one for +Inf,
//	                   not cumulative
//	summary            SumWords float64 (the sum), then count uint64
//	gauge and others   set uint64 (0 = never set), value float64, and in the
//	                   timed modes Unix nanoseconds int64
//
// The value of a cumulative series is the integer plus all floats.
type Schema struct {
	Families   []Family
	Series     []Series
	Tombstones []Tombstone
	Words      int
	// SumWords is 1 in files of processes. An archive has 2: the high and the
	// low part of an unrounded sum.
	SumWords int
	// Version tells layouts of one source apart.
	Version uint64
}

// WordCount is the number of words that a series of the family has in a vector
// with sumWords floats for each sum.
func (f *Family) WordCount(sumWords int) int {
	switch {
	case f.Type == Histogram:
		return sumWords + len(f.Bounds) + 1
	case f.Type.Cumulative():
		return 1 + sumWords
	case f.Mode.Timed():
		return 3
	default:
		return 2
	}
}
