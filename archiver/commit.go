//go:build unix

package archiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// commit writes the archive into the spare and puts it in the place of the old
// one, which becomes the next spare. So the space and the inode of the next
// commit are always there: a directory that is full is the usual patient.
//
// The archive must still be the edition on which next builds: the lock on the
// directory sees to that, unless the directory itself was exchanged under it.
func (a *Archiver) commit(e directory.Edition, next *aggregate.Archive) error {
	lock, err := a.lockCommit()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if !e.Current() {
		return errors.New("another archiver has committed")
	}
	bytes := next.Encode()
	if err := a.writeSpare(bytes); err != nil {
		return fmt.Errorf("write the archive: %w", withRemedy(err))
	}
	a.o.step(StepSynced)
	if err := a.d.Exchange(a.sparePath(), a.d.ArchivePath()); err != nil {
		return fmt.Errorf("put the archive in force: %w", err)
	}
	a.o.step(StepRenamed)
	if !e.Next(next).Current() { // or else the files that it holds would be lost with it
		return fmt.Errorf("somebody has put another file in the place of %s", a.d.ArchivePath())
	}
	// From here on the commit stands, whatever fails.
	if err := lock.Sync(); err != nil {
		a.o.Logger.Warn("Cannot sync the archive's directory", "err", err)
	}
	a.o.step(StepDurable)
	a.expected.least = int64(len(bytes))
	a.note(func(s *Stats) { s.Commits++ })
	return nil
}

// commitWait bounds how long a commit lets readers finish that asked for quiet.
const commitWait = 10 * time.Second

// lockCommit keeps commits from scans that could not settle without.
func (a *Archiver) lockCommit() (*directory.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitWait)
	defer cancel()
	return a.d.LockCommits(ctx, false)
}
