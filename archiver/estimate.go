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
	archive mmapstore.ID    // that is counted
	seen    map[uint64]bool // hashes of the families and series that are counted
	walked  map[mmapstore.ID]counted
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
	pidBytes    = 16 // of a label pid, apart from its value
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
		e.archive, e.seen, e.walked = v.Archive.ID, make(map[uint64]bool), make(map[mmapstore.ID]counted)
		e.bytes, e.gauges = int64(len(v.Archive.Absorbed))*idBytes, 0
		e.walk(v.Archive.Schema, counted{}, "", maxGauges)
		for _, forgotten := range v.Archive.History.Forgotten {
			e.bytes += idBytes
			for _, f := range forgotten {
				e.bytes += 4*4 + int64(len(f.Words))*wordBytes
			}
		}
	}
	e.files = len(v.Files)
	for _, f := range v.Files {
		e.walked[f.ID()] = e.walk(f.Schema(), e.walked[f.ID()], f.Meta().Identity, maxGauges)
	}
}

// counted is how many families and series of a file are counted.
type counted struct{ families, series int }

// walk counts what nobody else has of the rest of the schema.
func (e *estimate) walk(s mmapstore.Schema, from counted, identity string, maxGauges int) counted {
	for i := from.families; i < len(s.Families); i++ {
		f := &s.Families[i]
		e.add(familySize(f), 'f', f, f.Help)
	}
	for i := from.series; i < len(s.Series); i++ {
		series, f := &s.Series[i], &s.Families[s.Series[i].Family]
		size := int64(seriesBytes + len(series.Labels) + wordBytes*f.WordCount(2))
		switch {
		case f.Mode.Live() || f.Mode.PerProcess() && e.gauges >= maxGauges:
		case f.Mode.PerProcess():
			if e.add(size+int64(len(identity))+pidBytes, 'g', f, string(series.Labels), identity) {
				e.gauges++
			}
		default:
			e.add(size, 's', f, string(series.Labels))
		}
	}
	return counted{len(s.Families), len(s.Series)}
}

// add counts what is told apart by its kind, its family and the rest, unless it is
// counted already.
func (e *estimate) add(size int64, kind byte, f *mmapstore.Family, rest ...string) (added bool) {
	var h maphash.Hash
	h.SetSeed(e.seed)
	_, _ = h.Write([]byte{kind, byte(f.Type), byte(f.Mode), byte(len(f.Bounds)), byte(len(f.Bounds) >> 8)})
	_, _ = h.WriteString(f.Name)
	for _, s := range rest {
		_ = h.WriteByte(0)
		_, _ = h.WriteString(s)
	}
	key := h.Sum64()
	if e.seen[key] {
		return false
	}
	e.seen[key] = true
	e.bytes += size
	return true
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
