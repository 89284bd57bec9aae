//go:build unix

package archiver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/sys"
)

// Archive and spare change places with each commit, so both are kept as large as
// the archive may have to become: a directory that is full is the usual patient,
// and by then it is too late to ask for room.

// roomFor is how large the files are made for an archive of n bytes, so that it
// can grow by a good deal before it needs more space.
func roomFor(n int64) int64 { return (n + n/2 + roomUnit) / roomUnit * roomUnit }

const (
	roomUnit = 16 << 10
	// maxRoom is where planning ahead ends: no reader takes a larger archive.
	maxRoom = 1 << 30
)

// keepRoom makes the spare, if there is none, and lets it and the archive, which
// is the one on disk, grow to what is needed to archive all that is there now.
func (a *Archiver) keepRoom(archive *aggregate.Archive) {
	need := min(roomFor(a.expected.size()), maxRoom)
	if f, err := a.openSpare(a.sparePath()); err == nil { // or else a commit says why not
		a.growTo(f, need)
		_ = f.Close()
	}
	f, err := a.openOwn(a.d.ArchivePath(), 0)
	if err != nil {
		return
	}
	defer f.Close()
	head := make([]byte, aggregate.ArchiveHeaderSize)
	_, _ = f.ReadAt(head, 0) // one that is too short is not ours either
	if _, id, err := aggregate.DecodeArchiveHeader(head); err == nil && id == archive.ID {
		a.growTo(f, need) // behind the end of what it holds
	}
}

func (a *Archiver) sparePath() string { return filepath.Join(a.d.HiddenDir(), directory.SpareName) }

// growTo makes a file as large as need, or by half of what is free: the other half
// is for the application, without whose counts there is nothing to archive.
func (a *Archiver) growTo(f *os.File, need int64) {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() >= need {
		return
	}
	if free, err := freeBytes(a.d.HiddenDir()); err == nil {
		need = min(need, st.Size()+free/2/roomUnit*roomUnit)
	}
	if need > st.Size() && reserve(f, need) == nil {
		a.o.step(StepRoomMade)
	}
}

// openSpare opens the spare, or makes it. Who may read the directory may read the
// archive, and its group may archive if it may write the directory; others get
// no right to write, whatever the directory gives them.
func (a *Archiver) openSpare(path string) (*os.File, error) {
	f, err := a.openOwn(path, 0)
	if errors.Is(err, sys.ErrNotSole) {
		if err := a.setAside(path); err != nil {
			return nil, err
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sys.ErrNotSole) {
		if f, err = a.openOwn(path, os.O_CREATE|os.O_EXCL); err == nil {
			a.o.step(StepSpareMade)
		}
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info, err := os.Stat(a.d.Path()); err == nil {
		mode := 0o640 | info.Mode().Perm()&0o064
		if mode != st.Mode().Perm() && f.Chmod(mode) == nil { // refused if another user made it
			a.o.step(StepSpareOpened)
		}
	}
	return f, nil
}

// openOwn opens a file that we are about to write to, and that nobody else has under
// a name of his own.
func (a *Archiver) openOwn(path string, flags int) (*os.File, error) {
	in, err := a.d.Dir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return in.OpenSole(filepath.Base(path), flags|os.O_RDWR, 0o640)
}

// writeSpare fills the spare, making it if need be. What does not fit takes no room
// from what may.
func (a *Archiver) writeSpare(b []byte) (err error) {
	f, err := a.openSpare(a.sparePath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if st, err := f.Stat(); err == nil && st.Size() < int64(len(b)) {
		switch err := reserve(f, int64(len(b))); {
		case noRoom(err):
			return err
		case err == nil:
			a.o.step(StepRoomMade)
		}
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	a.o.step(StepWritten)
	return f.Sync()
}
