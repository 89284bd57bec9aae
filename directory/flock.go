//go:build unix

package directory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// Lock is an advisory lock, on a directory itself as a rule: a lock file in it
// would be lost to `rm -rf dir/*`, and then two could hold "the" lock.
type Lock struct{ f *os.File }

// lockPoll is how often a waiting LockDir asks again: flock cannot wait for a
// context.
const lockPoll = 50 * time.Millisecond

// LockDir locks the directory at path, waiting for others until ctx ends.
// Shared locks exclude exclusive ones only.
func LockDir(ctx context.Context, path string, shared bool) (*Lock, error) {
	return lockPath(ctx, path, shared, unix.O_DIRECTORY)
}

func lockPath(ctx context.Context, path string, shared bool, flags int) (*Lock, error) {
	for {
		l, err := tryLock(path, shared, flags)
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock on %s: %w", path, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// TryLockDir is LockDir without waiting: nil, nil if others hold the lock.
func TryLockDir(path string, shared bool) (*Lock, error) {
	return tryLock(path, shared, unix.O_DIRECTORY)
}

func tryLock(path string, shared bool, flags int) (*Lock, error) {
	f, err := os.OpenFile(path, flags|unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err = sys.RetryEINTR(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	if err == nil {
		return &Lock{f}, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// Covers reports whether the path still leads to the directory that is locked,
// rather than to another one that was made in its place.
func (l *Lock) Covers(path string) bool {
	mine, err := l.f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(mine, now)
}

// Sync makes renames in the directory durable.
func (l *Lock) Sync() error { return l.f.Sync() }

// Unlock gives the lock up.
func (l *Lock) Unlock() { _ = l.f.Close() } // opened to read: nothing can be lost
