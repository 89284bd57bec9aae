//go:build unix

package directory

import "github.com/promfold/promfold/mmapstore"

// snapshot is the file of a process that was probed, read and closed: see
// Options.Once.
type snapshot struct {
	process
	verdict mmapstore.Verdict
	damage  error
	words   []uint64
	failed  error // of reading words
	lost    uint64
}

// takeSnapshot reads all that there is of the file, after the probe, and closes it.
func takeSnapshot(p process) *snapshot {
	s := &snapshot{process: p, verdict: p.probe(), damage: p.refresh(), lost: p.dropped()}
	s.words = make([]uint64, p.Schema().Words)
	s.failed = p.Load(s.words)
	_ = p.Close() // read only: nothing can be lost
	return s
}

func (s *snapshot) probe() mmapstore.Verdict { return s.verdict }
func (s *snapshot) refresh() error           { return s.damage }
func (s *snapshot) dropped() uint64          { return s.lost }
func (s *snapshot) Close() error             { return nil }

func (s *snapshot) Load(dst []uint64) error {
	copy(dst, s.words)
	return s.failed
}
