//go:build unix

package exporter

import (
	"slices"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// The values of our labels, all of which are exposed from the start.
var (
	processStates = []string{"live", "dead", "unknown"}
	errorReasons  = mmapstore.Reasons()
)

func stateName(s mmapstore.State) string {
	switch s {
	case mmapstore.Alive:
		return "live"
	case mmapstore.Dead:
		return "dead"
	default:
		return "unknown"
	}
}

// tally counts by the values of a label, which are all known.
type tally[S ~string] struct {
	values []S
	counts []int // by index of the value
}

func newTally[S ~string](values []S) tally[S] { return tally[S]{values, make([]int, len(values))} }

func (t tally[S]) count(value S) {
	if i := slices.Index(t.values, value); i >= 0 {
		t.counts[i]++
	}
}

// of is the count of a value, 0 for one that is not known.
func (t tally[S]) of(value S) int {
	if i := slices.Index(t.values, value); i >= 0 {
		return t.counts[i]
	}
	return 0
}

func (t tally[S]) add(o tally[S]) {
	for i, n := range o.counts {
		t.counts[i] += n
	}
}

func (t tally[S]) emit(emit emit) {
	for i, n := range t.counts {
		emit(string(t.values[i]), float64(n))
	}
}

// census is what one merge found, in numbers.
type census struct {
	dirs      []*dirCensus
	conflicts tally[aggregate.ConflictKind]
	series    int
	families  int
	invalid   int
}

func newCensus() *census {
	return &census{conflicts: newTally(aggregate.ConflictKinds)}
}

// dirCensus is about one directory, or a sum of several.
type dirCensus struct {
	path      string
	missing   int
	processes tally[string]           // by state
	methods   tally[mmapstore.Method] // files by what told their liveness
	errors    tally[string]           // problems by reason
	problems  []directory.Problem
	dropped   uint64
	orphans   int
	foreign   int // another program archives the files of stock clients

	archiveSize       int64
	archiveGeneration uint64
	archiveCommitted  float64 // Unix seconds; the oldest of a sum; 0 if there is no archive

	archiving bool // an archiver is in this process
	active    int
	archiver  archiver.Stats
}

func newDirCensus(path string) *dirCensus {
	return &dirCensus{
		path:      path,
		processes: newTally(processStates),
		methods:   newTally(mmapstore.Methods),
		errors:    newTally(errorReasons),
	}
}

// take counts what a scan found.
func (c *census) take(m Member, v *directory.View) *dirCensus {
	d := newDirCensus(m.Directory.Path())
	if v.Missing {
		d.missing = 1
	}
	d.takeProcesses(v.Files)
	if v.Foreign {
		d.foreign = 1
	}
	for _, f := range v.Files {
		d.methods.count(f.Verdict().Method)
		d.dropped += f.Dropped()
		if f.Orphan() {
			d.orphans++
		}
	}
	for _, p := range v.Problems {
		d.problem(p)
	}
	d.takeArchive(m.Directory, v.Archive)
	if m.Archiver != nil {
		d.takeArchiver(m.Archiver.Stats())
	}
	c.dirs = append(c.dirs, d)
	return d
}

// takeProcesses counts processes, of which those of stock clients have several
// files. A process lives if anybody writes one of them.
func (d *dirCensus) takeProcesses(files []*directory.File) {
	states := make(map[mmapstore.ID]mmapstore.State, len(files))
	for _, f := range files {
		id, state := f.Owner(), f.Verdict().State
		if id == (mmapstore.ID{}) {
			continue // not of one process
		}
		known, ok := states[id]
		if !ok || state == mmapstore.Alive || known == mmapstore.Dead {
			states[id] = state
		}
	}
	for _, state := range states {
		d.processes.count(stateName(state))
	}
}

func (d *dirCensus) takeArchive(of *directory.Directory, a *aggregate.Archive) {
	d.archiveGeneration = a.Generation
	if info, err := of.ArchiveInfo(); err == nil {
		d.archiveSize = info.Size()
		d.archiveCommitted = float64(info.ModTime().UnixNano()) / 1e9
	}
}

func (d *dirCensus) takeArchiver(s archiver.Stats) {
	d.archiving, d.archiver = true, s
	if s.Active {
		d.active = 1
	}
}

// problem notes a file that could not be used, or not in full.
func (d *dirCensus) problem(p directory.Problem) {
	d.problems = append(d.problems, p)
	d.errors.count(p.Reason())
}

// sum is all directories as one.
func (c *census) sum() *dirCensus {
	total := newDirCensus("")
	for _, d := range c.dirs {
		total.add(d)
	}
	return total
}

func (d *dirCensus) add(o *dirCensus) {
	d.missing += o.missing
	d.processes.add(o.processes)
	d.methods.add(o.methods)
	d.errors.add(o.errors)
	d.dropped += o.dropped
	d.orphans += o.orphans
	d.foreign += o.foreign
	d.archiveSize += o.archiveSize
	d.archiveGeneration += o.archiveGeneration
	if o.archiveCommitted != 0 && (d.archiveCommitted == 0 || o.archiveCommitted < d.archiveCommitted) {
		d.archiveCommitted = o.archiveCommitted
	}
	d.addArchiver(o)
}

func (d *dirCensus) addArchiver(o *dirCensus) {
	if !o.archiving {
		return
	}
	s, t := &d.archiver, &o.archiver
	s.Commits += t.Commits
	s.Absorbed += t.Absorbed
	s.Swept += t.Swept
	s.Discarded += t.Discarded
	s.Failures += t.Failures
	s.SetAside += t.SetAside
	if !d.archiving || t.LastRound.Before(s.LastRound) {
		s.LastRound = t.LastRound // the one that is behind most
	}
	d.archiving = true
	d.active += o.active
}
