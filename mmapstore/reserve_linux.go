package mmapstore

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// reserve allocates file space for [off, off+n), so that touching it through a
// mapping cannot meet a full file system (SIGBUS). The bytes there read zero,
// unless they were written before.
func reserve(f *os.File, off, n int64) error {
	err := sys.OnFD(f, func(fd uintptr) error { return unix.Fallocate(int(fd), 0, off, n) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return writeZeros(f, off, n)
	}
	return err
}

// holesCost reports whether reading a hole of the file through a mapping takes
// memory for good. Other file systems show the page cache's zeros.
func holesCost(f *os.File) bool {
	var st unix.Statfs_t
	err := sys.OnFD(f, func(fd uintptr) error { return unix.Fstatfs(int(fd), &st) })
	return err == nil && st.Type == unix.TMPFS_MAGIC
}

// bytesHeld is the space that a file takes, holes not counted.
func bytesHeld(st os.FileInfo) int64 {
	if stat, ok := st.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return st.Size()
}

// publishName gives the file its name, refusing to replace another.
func publishName(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return os.Rename(from, to) // the name is random enough
	}
	return err
}
