//go:build unix

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is an open directory to which others may write. Its methods take the names
// in it as they are: no link is followed, and whatever somebody puts into the place
// of the directory, they stay in the one that was opened. Goroutines may share it.
type Dir struct{ f *os.File }

// OpenDir opens the directory at a path that can be trusted: links are followed.
func OpenDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
}

// OpenDir opens the directory of the name. What is none, a link to one say, is
// unix.ENOTDIR.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	f, err := d.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ELOOP) {
		err = &fs.PathError{Op: "open", Path: d.path(name), Err: unix.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
}

// OpenFile opens what has the name, without waiting for it. A link is unix.ELOOP.
func (d *Dir) OpenFile(name string, flags int, perm fs.FileMode) (*os.File, error) {
	flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	var f *os.File
	err := d.do("open", name, func(fd int) error {
		opened, err := unix.Openat(fd, name, flags, uint32(perm.Perm()))
		if err == nil {
			f = os.NewFile(uintptr(opened), d.path(name))
		}
		return err
	})
	return f, err
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
		return OnFD(to.f, func(fd uintptr) error { return unix.Renameat(from, name, int(fd), newName) })
	})
}

// Names lists the directory, sorted.
func (d *Dir) Names() ([]string, error) {
	// Of the descriptor itself the position would be shared.
	f, err := d.OpenFile(".", os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// File is the directory's descriptor, which the Dir keeps open and closes.
func (d *Dir) File() *os.File { return d.f }

// Close gives the directory up.
func (d *Dir) Close() error { return d.f.Close() }

func (d *Dir) path(name string) string { return filepath.Join(d.f.Name(), name) }

// do makes a call about one name in the directory.
func (d *Dir) do(op, name string, call func(fd int) error) error {
	if name == "" || name == ".." || strings.ContainsRune(name, '/') {
		return &fs.PathError{Op: op, Path: d.path(name), Err: fmt.Errorf("not a name: %w", fs.ErrInvalid)}
	}
	err := OnFD(d.f, func(fd uintptr) error { return call(int(fd)) })
	if err != nil {
		return &fs.PathError{Op: op, Path: d.path(name), Err: err}
	}
	return nil
}
