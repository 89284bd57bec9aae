//go:build unix

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is an open directory to which others may write. Its methods take the names
// in it as they are: no link is followed, and whatever somebody puts into the place
// of the directory, they stay in the one that was opened. A Dir is for one goroutine
// at a time: a bare descriptor is cheap, but must not be closed while it is in use.
type Dir struct {
	in, name string // its path: of the directory in which it was opened, and the name there
	fd       int    // closed once closed
}

// closed is in the place of a descriptor that was given up.
const closed = -1

// dirFlags open a directory and nothing else.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_CLOEXEC

// OpenDir opens the directory at a path that can be trusted: links are followed.
func OpenDir(path string) (*Dir, error) {
	d := &Dir{in: path}
	err := RetryEINTR(func() (err error) {
		d.fd, err = unix.Open(path, dirFlags, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return d, nil
}

// OpenDir opens the directory of the name. What is none, a link to one say, is
// unix.ENOTDIR.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	fd, err := d.openat(name, dirFlags, 0)
	if errors.Is(err, unix.ELOOP) {
		err = &fs.PathError{Op: "open", Path: d.path(name), Err: unix.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return &Dir{in: d.path(""), name: name, fd: fd}, nil
}

// OpenFile opens what has the name, without waiting for it. A link is unix.ELOOP.
func (d *Dir) OpenFile(name string, flags int, perm fs.FileMode) (*os.File, error) {
	fd, err := d.openat(name, flags, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path(name)), nil
}

func (d *Dir) openat(name string, flags int, perm fs.FileMode) (opened int, err error) {
	flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	err = d.do("open", name, func(fd int) (err error) {
		opened, err = unix.Openat(fd, name, flags, uint32(perm.Perm()))
		return err
	})
	return opened, err
}

// Stat is about what has the name, a link for one.
func (d *Dir) Stat(name string) (st unix.Stat_t, err error) {
	err = d.do("stat", name, func(fd int) error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// Mkdir makes a directory of the name.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	return d.do("mkdir", name, func(fd int) error { return unix.Mkdirat(fd, name, uint32(perm.Perm())) })
}

// Remove removes the name of a file or of an empty directory.
func (d *Dir) Remove(name string) error {
	return d.do("remove", name, func(fd int) error {
		err := unix.Unlinkat(fd, name, 0)
		if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) { // what systems say of a directory
			return err
		}
		if unix.Unlinkat(fd, name, unix.AT_REMOVEDIR) == nil {
			return nil
		}
		return err
	})
}

// Rename gives what has the name another, in the directory to.
func (d *Dir) Rename(name string, to *Dir, newName string) error {
	return d.do("rename", name, func(from int) error {
		return to.do("rename", newName, func(fd int) error { return unix.Renameat(from, name, fd, newName) })
	})
}

// File makes a file of the directory's descriptor, which belongs to it from then
// on: the Dir is closed.
func (d *Dir) File() *os.File { return os.NewFile(uintptr(d.giveUp()), d.path("")) }

// Close gives the directory up.
func (d *Dir) Close() error {
	fd := d.giveUp()
	if fd == closed {
		return fs.ErrClosed
	}
	return unix.Close(fd)
}

func (d *Dir) giveUp() (fd int) {
	fd, d.fd = d.fd, closed
	return fd
}

// path is that of a name in the directory, or of the directory itself.
func (d *Dir) path(name string) string {
	if d.name == "" && name == "" {
		return d.in
	}
	return filepath.Join(d.in, d.name, name)
}

// do makes a call about one name in the directory.
func (d *Dir) do(op, name string, call func(fd int) error) error {
	if name == "" || name == ".." || strings.ContainsRune(name, '/') {
		return &fs.PathError{Op: op, Path: d.path(name), Err: fmt.Errorf("not a name: %w", fs.ErrInvalid)}
	}
	if d.fd == closed {
		return &fs.PathError{Op: op, Path: d.path(name), Err: fs.ErrClosed}
	}
	if err := RetryEINTR(func() error { return call(d.fd) }); err != nil {
		return &fs.PathError{Op: op, Path: d.path(name), Err: err}
	}
	return nil
}
