//go:build unix

package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
	"github.com/promfold/promfold/mmapstore"
)

// Others may write to the directory and to what is in it, and may mean ill: put a
// link in the place of our own directory, say, while we may write where they may
// not. The path of the directory, and that of the options for the archive, are the
// operator's; below them every name is taken as it is, and no link is followed.
// So all that is done to a path in the directory is done by the methods here.

// within opens the directory of a path, which is one of Path, HiddenDir and AsideDir,
// for what is done to the name in it.
func (d *Directory) within(path string) (in *sys.Dir, name string, err error) {
	parent, name := filepath.Dir(path), filepath.Base(path)
	in, err = d.Dir(parent)
	return in, name, err
}

// Dir opens one of Path, HiddenDir and AsideDir, those in Path without following a
// link, for calls that must all go to the same. Who called closes it.
func (d *Directory) Dir(path string) (*sys.Dir, error) {
	if path == d.path || filepath.Dir(path) != d.path {
		return sys.OpenDir(path)
	}
	main, err := sys.OpenDir(d.path)
	if err != nil {
		return nil, err
	}
	defer main.Close()
	return main.OpenDir(filepath.Base(path))
}

// OpenFile opens a file of the directory without waiting or following a link.
func (d *Directory) OpenFile(path string, flags int, perm fs.FileMode) (*os.File, error) {
	in, name, err := d.within(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return in.OpenFile(name, flags, perm)
}

// OpenDir opens a directory in one of ours, to change its mode say, and no link.
func (d *Directory) OpenDir(path string) (*os.File, error) {
	return d.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

// Mkdir makes a directory in one of ours.
func (d *Directory) Mkdir(path string, perm fs.FileMode) error {
	in, name, err := d.within(path)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.Mkdir(name, perm)
}

// HasDir reports whether there is a directory at path, and fails if there is something
// else. A link to one is something else, unless the operator has named it.
func (d *Directory) HasDir(path string) (bool, error) {
	opened, err := d.Dir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, opened.Close()
}

// Remove removes a file of the directory, or an empty directory in it.
func (d *Directory) Remove(path string) error {
	in, name, err := d.within(path)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.Remove(name)
}

// Rename renames a file of the directory within it.
func (d *Directory) Rename(path, to string) error {
	in, name, err := d.within(path)
	if err != nil {
		return err
	}
	defer in.Close()
	there, newName, err := d.within(to)
	if err != nil {
		return err
	}
	defer there.Close()
	return in.Rename(name, there, newName)
}

// Exchange swaps two files of one of our directories: see sys.Dir.
func (d *Directory) Exchange(path, other string) error {
	in, name, err := d.within(path)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.Exchange(name, filepath.Base(other))
}

// ArchiveInfo is about the archive on disk.
func (d *Directory) ArchiveInfo() (fs.FileInfo, error) {
	f, _, err := d.openRegular(d.ArchivePath())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// openRegular is mmapstore.OpenRegular for a path in the directory.
func (d *Directory) openRegular(path string) (*os.File, int64, error) {
	f, err := d.OpenFile(path, os.O_RDONLY, 0)
	if notDirectory(err) {
		return nil, 0, imposter(err)
	}
	return mmapstore.Regular(path, f, err)
}

// imposter is the error of what is in the place of a directory of ours. It says
// nothing about the files that were there.
func imposter(err error) error { return fmt.Errorf("%w: %w", mmapstore.ErrNotRegular, err) }

// notDirectory reports whether there is something else where a directory of ours
// should be.
func notDirectory(err error) bool { return errors.Is(err, unix.ENOTDIR) }
