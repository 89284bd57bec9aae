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
	if err := a.putInForce(e.Next(next), bytes); err != nil {
		return err
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

// swapPatience bounds how long a commit strives with somebody who puts other files
// into the place of its own.
const swapPatience = time.Second

// putInForce writes the archive and gives it its name. If another file has the name
// then, somebody has swapped the spare meanwhile, and what has the name may be an
// archive of long ago: ours must take its place, or what it lacks would be lost.
func (a *Archiver) putInForce(now directory.Edition, bytes []byte) error {
	exchanged := false
	for began := time.Now(); ; {
		err := a.exchange(bytes)
		exchanged = exchanged || err == nil
		switch {
		case err == nil && now.Current():
			return nil
		case !exchanged:
			return err
		case time.Since(began) > swapPatience:
			return errors.Join(err, fmt.Errorf("somebody puts other files in the place of %s", a.d.ArchivePath()))
		}
	}
}

// exchange writes the spare and swaps it with the archive.
func (a *Archiver) exchange(bytes []byte) error {
	if err := a.writeSpare(bytes); err != nil {
		return fmt.Errorf("write the archive: %w", withRemedy(err))
	}
	a.o.step(StepSynced)
	if err := a.d.Exchange(a.sparePath(), a.d.ArchivePath()); err != nil {
		return fmt.Errorf("put the archive in force: %w", err)
	}
	a.o.step(StepRenamed)
	return nil
}

// lockCommit keeps commits from scans that could not settle without.
func (a *Archiver) lockCommit() (*directory.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), a.o.commitWait)
	defer cancel()
	return a.d.LockCommits(ctx, false)
}
