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
	return lockOpened(ctx, func() (*os.File, error) { return openTrusted(path) }, shared)
}

// LockCommits takes the lock that keeps commits away, as LockDir would.
func (d *Directory) LockCommits(ctx context.Context, shared bool) (*Lock, error) {
	return lockOpened(ctx, func() (*os.File, error) {
		dir, err := d.Dir(d.HiddenDir())
		if err != nil {
			return nil, err
		}
		return dir.File(), nil
	}, shared)
}

// openTrusted opens a directory at a path of the operator's.
func openTrusted(path string) (*os.File, error) {
	dir, err := sys.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return dir.File(), nil
}

func lockOpened(ctx context.Context, open func() (*os.File, error), shared bool) (*Lock, error) {
	for {
		f, err := open()
		if err != nil {
			return nil, err
		}
		l, err := tryLock(f, shared)
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock on %s: %w", f.Name(), ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// TryLockDir is LockDir without waiting: nil, nil if others hold the lock.
func TryLockDir(path string, shared bool) (*Lock, error) {
	f, err := openTrusted(path)
	if err != nil {
		return nil, err
	}
	return tryLock(f, shared)
}

// tryLock takes the file over: it belongs to the lock, or is closed.
func tryLock(f *os.File, shared bool) (*Lock, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := sys.OnFD(f, func(fd uintptr) error { return unix.Flock(int(fd), how|unix.LOCK_NB) })
	if err == nil {
		return &Lock{f}, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
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
