//go:build unix

package mmapstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// Names of native files, and of those that are not born yet.
const (
	filePrefix = "worker-"
	fileSuffix = ".pfm"
	tempPrefix = ".worker-"
	tempSuffix = ".tmp"
)

// IsFileName reports whether a base name is one that Create gives.
func IsFileName(name string) bool {
	return strings.HasPrefix(name, filePrefix) && strings.HasSuffix(name, fileSuffix)
}

// IsTempName reports whether a base name is one that Create uses before the
// file is complete.
func IsTempName(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix)
}

// Abandoned reports whether the temporary file at path was left behind by a
// process that died while it made it: nobody locks it and it is older than
// minAge.
func Abandoned(path string, minAge time.Duration) (bool, error) {
	f, _, err := OpenRegular(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	if time.Since(st.ModTime()) <= minAge {
		return false, nil // its maker may be about to lock it: keep off the lock
	}
	held, err := lifeLockHeld(f)
	return err == nil && !held, err
}

// birth makes the file of this process and maps its first chunk: under a temporary
// name the header is written and the life lock taken, and only when nothing can
// fail any more does the file get the name by which readers find it. Whoever sees
// the name sees a locked, complete file. (Naming first and locking after loses
// lifetimes: TestNoNameWithoutLock sees it.)
func birth(dir string, h *Header, perm os.FileMode) (_ *os.File, header []byte, err error) {
	stem := strconv.Itoa(int(h.Process.PID)) + "-" + h.ID.String()[:16]
	temp := filepath.Join(dir, tempPrefix+stem+tempSuffix)
	path := filepath.Join(dir, filePrefix+stem+fileSuffix)
	f, err := createAs(temp, path, perm)
	if err != nil {
		return nil, nil, fmt.Errorf("create a worker file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unmapChunk(header), f.Close(), os.Remove(temp))
			header = nil
		}
	}()
	if err := f.Chmod(perm); err != nil { // whatever the umask
		return nil, nil, fmt.Errorf("create a worker file: %w", err)
	}
	if h.Locked, err = lockLife(f); err != nil {
		return nil, nil, err
	}
	if err := f.Truncate(ChunkSize); err != nil {
		return nil, nil, fmt.Errorf("create a worker file: %w", err)
	}
	if err := reserve(f, 0, headerSize); err != nil {
		return nil, nil, fmt.Errorf("reserve space in %s: %w", temp, err)
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, nil, fmt.Errorf("write the header of %s: %w", temp, err)
	}
	if header, err = mapChunk(f, 0); err != nil {
		return nil, nil, err
	}
	if err := publishName(temp, path); err != nil {
		return nil, header, fmt.Errorf("publish a worker file: %w", err)
	}
	return f, header, nil
}

// createAs makes a new file at temp that calls itself by the name which it will
// have: errors are to name a file that somebody can find.
func createAs(temp, path string, perm os.FileMode) (*os.File, error) {
	fd := -1
	err := sys.RetryEINTR(func() (err error) {
		fd, err = unix.Open(temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		return err
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: temp, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenRegular opens a file for reading without ever waiting for it, following
// a link, or taking it for more than a regular file (ErrNotRegular). It returns
// the file's size, too.
func OpenRegular(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return Regular(path, f, err)
}

// Regular judges what an open of the path came to, with flags as OpenRegular's, and
// closes what is no regular file.
func Regular(path string, f *os.File, err error) (*os.File, int64, error) {
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) { // a link, a socket
		return nil, 0, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func writeZeros(f *os.File, off, n int64) error {
	_, err := f.WriteAt(make([]byte, n), off)
	return err
}
