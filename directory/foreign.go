//go:build unix

package directory

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// The postmates fork of client_python archives by itself: in some process of the
// application a thread merges the files of dead pids into counter.db and so on.
// It takes a flock on a file for that, exclusively, and its collectors take it
// shared. Where there is such a file, nobody else may archive.

// foreignLock is the name of that file.
const foreignLock = "lockfile"

// foreignWait bounds how long a scan waits for the other archiver.
const foreignWait = 2 * time.Second

// Foreign reports whether an archiver of another program is at work in the
// directory.
func (d *Directory) Foreign() bool {
	var st unix.Stat_t
	err := unix.Lstat(filepath.Join(d.path, foreignLock), &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// lockForeign keeps another program's archiver out while the view is in use, as
// one of its own collectors would. If it takes too long, the scan goes on: what
// it shows may be off for once, but it shows something.
func (d *Directory) lockForeign(ctx context.Context, v *View) {
	if v.Foreign = d.Foreign(); !v.Foreign {
		return
	}
	path := filepath.Join(d.path, foreignLock)
	ctx, cancel := context.WithTimeout(ctx, foreignWait)
	defer cancel()
	var err error
	if v.foreign, err = lockOpened(ctx, func() (*os.File, error) { return d.OpenFile(path, os.O_RDONLY, 0) }, true); err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.Problems = append(v.Problems, Problem{path, err})
	}
}

// rewritten reports whether the inode holds something else than when it was opened.
// Another program's archive is not appended to, but replaced, sometimes in place;
// and what somebody has emptied, a process of the same pid may have taken up.
func (f *tracked) rewritten(now os.FileInfo) bool {
	if f.stock == nil {
		return false
	}
	replaced := f.stock.Foreign() && (now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()))
	return replaced || f.stock.Reused()
}
