//go:build unix && !linux

package mmapstore

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// The rule for macOS and the BSDs, which lack open-file-description locks,
// leases and /proc: the writer holds flock(2) exclusively, and a reader that
// can take it shared for a moment has found a dead writer. The lock is taken
// before the file gets its name, so a reader never meets a writer that has not
// locked yet.

func flock(f *os.File, how int) error {
	return sys.OnFD(f, func(fd uintptr) error { return unix.Flock(int(fd), how) })
}

func lockLife(f *os.File) (locked bool, err error) {
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK):
		return false, nil
	}
	return false, fmt.Errorf("lock %s: %w", f.Name(), err)
}

func lifeLockHeld(f *os.File) (bool, error) {
	err := flock(f, unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case err == nil:
		return false, flock(f, unix.LOCK_UN)
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	}
	return false, fmt.Errorf("query the lock of %s: %w", f.Name(), err)
}
