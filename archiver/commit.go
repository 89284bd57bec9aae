//go:build unix

package archiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

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
	spare := filepath.Join(a.d.HiddenDir(), directory.SpareName)
	if err := a.writeSpare(spare, next.Encode()); err != nil {
		return fmt.Errorf("write the archive: %w", withRemedy(err))
	}
	a.o.step(StepSynced)
	if err := exchange(spare, a.d.ArchivePath()); err != nil {
		return fmt.Errorf("put the archive in force: %w", err)
	}
	a.o.step(StepRenamed)
	// From here on the commit stands, whatever fails.
	if err := lock.Sync(); err != nil {
		a.o.Logger.Warn("Cannot sync the archive's directory", "err", err)
	}
	a.o.step(StepDurable)
	a.note(func(s *Stats) { s.Commits++ })
	return nil
}

// commitWait bounds how long a commit lets readers finish that asked for quiet.
const commitWait = 10 * time.Second

// lockCommit keeps commits from scans that could not settle without.
func (a *Archiver) lockCommit() (*directory.Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitWait)
	defer cancel()
	return directory.LockDir(ctx, a.d.HiddenDir(), false)
}

// roomFor is how large the files are made, so that the archive can grow by a
// good deal before it needs more space.
func roomFor(n int) int64 {
	const unit = 16 << 10
	return (int64(n) + int64(n)/2 + unit) / unit * unit
}

// prepareSpare makes the next spare, if there is none, while there is room: the
// files that were just absorbed have freed some. Without room the next commit
// tries again.
func (a *Archiver) prepareSpare() {
	size := roomFor(0)
	if st, err := os.Stat(a.d.ArchivePath()); err == nil {
		size = max(size, st.Size())
	}
	f, err := a.openSpare(filepath.Join(a.d.HiddenDir(), directory.SpareName), os.O_EXCL)
	if err != nil {
		return
	}
	_ = reserve(f, size)
	_ = f.Close()
}

// openSpare opens or makes the spare. Who may read the directory may read the
// archive, and its group may archive if it may write the directory; others get
// no right to write, whatever the directory gives them.
func (a *Archiver) openSpare(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o640)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(a.d.Path()); err == nil {
		_ = f.Chmod(0o640 | info.Mode().Perm()&0o064) // refused if another user made it
	}
	return f, nil
}

// writeSpare fills the spare, making it if need be. Where there is no room to
// grow, what fits will do.
func (a *Archiver) writeSpare(path string, b []byte) (err error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		if err := a.setAside(path); err != nil {
			return err
		}
	}
	f, err := a.openSpare(path, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if st.Size() < int64(len(b)) {
		_ = reserve(f, roomFor(len(b))) // for the next commit; this one is written below
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	a.o.step(StepWritten)
	return f.Sync()
}
