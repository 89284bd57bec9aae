//go:build unix

package sys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotSole says that to write there would be to write elsewhere, or to nobody.
var ErrNotSole = errors.New("not a regular file of one name")

// OpenSole opens the regular file that has the name and no other, to write to it.
// Whoever may write to the directory may put another there: a link to a file that
// is out of his reach but not out of ours, a pipe, a directory.
func (d *Dir) OpenSole(name string, flags int, perm fs.FileMode) (*os.File, error) {
	f, err := d.OpenFile(name, flags, perm)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%s: %w", d.path(name), ErrNotSole)
	}
	if err != nil {
		return nil, err
	}
	if err := d.checkSole(f, name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// soleLooks is how often checkSole looks: where the system keeps the time of a change
// coarsely, one look could meet a name that comes and goes.
const soleLooks = 4

// checkSole counts the links of what has the name now: the one by which f was opened
// may be gone, and what is left the name of a file elsewhere. While a name is being
// removed it is still found, though it does not count any more; that is over when the
// directory can be read. So we count, read the directory, and look: if nothing has
// changed since, the name is the one that was counted.
func (d *Dir) checkSole(f *os.File, name string) error {
	var opened unix.Stat_t
	if err := OnFD(f, func(fd uintptr) error { return unix.Fstat(int(fd), &opened) }); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	for range soleLooks {
		if err := d.settle(); err != nil {
			return err
		}
		now, err := d.Stat(name)
		if err != nil {
			return err
		}
		same := now.Dev == opened.Dev && now.Ino == opened.Ino && now.Ctim == opened.Ctim
		if !same || now.Nlink != 1 || now.Mode&unix.S_IFMT != unix.S_IFREG {
			return fmt.Errorf("%s: %w", d.path(name), ErrNotSole)
		}
	}
	return nil
}

// settle waits for changes of the directory that are under way: to read it takes the
// lock that they hold.
func (d *Dir) settle() error {
	f, err := d.OpenFile(".", os.O_RDONLY|unix.O_DIRECTORY, 0) // with a position of its own
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
