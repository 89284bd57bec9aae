//go:build unix

package archiver

import (
	"cmp"
	"hash/maphash"
	"os"
	"syscall"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// estimate is how large the archive would be if all processes died now: what it
// holds, and what the files hold beyond it. Workers of one application have the
// same series, so these are counted once. Of stock clients' files, which are
// looked at one at a time, it takes the largest: they are folded in batches, and
// what is folded makes room for the next.
type estimate struct {
	seed    maphash.Seed
	archive mmapstore.ID         // that is counted
	seen    map[uint64]bool      // hashes of the families and series that are counted
	walked  map[mmapstore.ID]int // by file, its series that are counted
	bytes   int64
	gauges  int   // series of per-process gauges among them
	files   int   // native files, each of which will be an id
	least   int64 // what the archive takes already
	stock   int64 // held by the largest file of a stock client
}

// What things take in an archive, apart from names and the like: see
// docs/archive.md.
const (
	familyBytes = 3 + 8 + 3*2 + 4
	seriesBytes = 2*4 + 4*8
	idBytes     = 16 + 4*8
	wordBytes   = 8
	// stockShare is how much of an archive an entry of a stock client's file can
	// come to, as a multiple of what it takes there.
	stockShare = 3
)

func (e *estimate) size() int64 {
	bytes := aggregate.ArchiveHeaderSize + 8 + 4*4 + e.bytes + int64(e.files)*idBytes
	return max(bytes, e.least) + e.stock*stockShare
}

// take brings the estimate up to date. A series is counted again when there is
// another archive, which may have forgotten some.
func (e *estimate) take(v *directory.View, o aggregate.FoldOptions) {
	maxGauges := cmp.Or(o.MaxDeadGauges, 1000)
	if e.seen == nil || e.archive != v.Archive.ID {
		e.seed = maphash.MakeSeed()
		e.archive, e.seen, e.walked = v.Archive.ID, make(map[uint64]bool), make(map[mmapstore.ID]int)
		e.bytes, e.gauges = int64(len(v.Archive.Absorbed))*idBytes, 0
		e.walk(v.Archive.Schema, 0, "", maxGauges)
		for _, forgotten := range v.Archive.History.Forgotten {
			e.bytes += idBytes
			for _, f := range forgotten {
				e.bytes += 4*4 + int64(len(f.Words))*wordBytes
			}
		}
	}
	e.files = 0
	for _, f := range v.Files {
		e.files++
		e.walk(f.Schema(), e.walked[f.ID()], f.Meta().Identity, maxGauges)
		e.walked[f.ID()] = len(f.Schema().Series)
	}
}

// walk counts the series from the first on that nobody else has.
func (e *estimate) walk(s mmapstore.Schema, first int, identity string, maxGauges int) {
	var h maphash.Hash
	h.SetSeed(e.seed)
	for i := first; i < len(s.Series); i++ {
		series, family := &s.Series[i], &s.Families[s.Series[i].Family]
		perProcess := family.Mode.PerProcess()
		if family.Mode.Live() || perProcess && e.gauges >= maxGauges {
			continue
		}
		h.Reset()
		_, _ = h.WriteString(family.Name)
		_, _ = h.Write([]byte{0, byte(family.Type), byte(family.Mode), byte(len(family.Bounds)), byte(len(family.Bounds) >> 8)})
		if key := h.Sum64(); !e.seen[key] {
			e.seen[key] = true
			e.bytes += familySize(family)
		}
		_, _ = h.WriteString(string(series.Labels))
		size := int64(seriesBytes + len(series.Labels) + wordBytes*family.WordCount(2))
		if perProcess {
			_, _ = h.WriteString("\x00" + identity)
			size += int64(len(identity)) + 16 // the label pid
		}
		if key := h.Sum64(); !e.seen[key] {
			e.seen[key] = true
			e.bytes += size
			if perProcess {
				e.gauges++
			}
		}
	}
}

func familySize(f *mmapstore.Family) int64 {
	n := familyBytes + len(f.Name) + len(f.Help) + len(f.Unit) + wordBytes*len(f.Bounds)
	for _, s := range f.Spelled {
		n += 2 + len(s)
	}
	return int64(n)
}

// held is the room that a file takes.
func held(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512 //nolint:unconvert // types differ between systems
	}
	return info.Size()
}
