package mmapstore

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// lockLife takes the write lock by which the kernel will answer for this
// process. It belongs to the open file description: opening and closing the
// file elsewhere does not drop it, death of the process does, and it can be
// asked for across pid namespaces and users.
//
// locked is false, without an error, where the file system has no such locks.
func lockLife(f *os.File) (locked bool, err error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err = sys.OnFD(f, func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &lk) })
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS):
		return false, nil
	}
	return false, fmt.Errorf("lock %s: %w", f.Name(), err)
}

// lifeLockHeld asks whether some open file description holds the life lock. A
// read-only descriptor will do.
func lifeLockHeld(f *os.File) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err := sys.OnFD(f, func(fd uintptr) error { return unix.FcntlFlock(fd, unix.F_OFD_GETLK, &lk) })
	if err != nil {
		return false, fmt.Errorf("query the lock of %s: %w", f.Name(), err)
	}
	return lk.Type != unix.F_UNLCK, nil
}
