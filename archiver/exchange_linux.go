package archiver

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

func reserve(f *os.File, size int64) error {
	return sys.OnFD(f, func(fd uintptr) error { return unix.Fallocate(int(fd), 0, 0, size) })
}

// freeBytes is the room that is left on the file system of the path.
func freeBytes(path string) (int64, error) {
	var st unix.Statfs_t
	err := sys.RetryEINTR(func() error { return unix.Statfs(path, &st) })
	return int64(st.Bavail) * int64(st.Frsize), err //nolint:unconvert // 32 bits on some systems
}
