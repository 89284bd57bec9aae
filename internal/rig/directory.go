//go:build linux

package rig

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/need"
)

// NewDirectory makes a multiprocess directory on a tmpfs, as in production, until
// the test ends.
func NewDirectory(t testing.TB, owner User, mode os.FileMode) string {
	t.Helper()
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "promfold-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	if owner.UID != 0 {
		if err := os.Chown(dir, int(owner.UID), int(owner.GID)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Tmpfs mounts one with the options, until the test ends.
func Tmpfs(t testing.TB, options string) (dir string) {
	t.Helper()
	NeedRoot(t)
	dir = t.TempDir()
	if err := unix.Mount("promfold-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// NeedRoot skips the test unless it runs as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	need.That(t, os.Geteuid() == 0, "root, for namespaces, mounts and users", "run the test as root")
}
