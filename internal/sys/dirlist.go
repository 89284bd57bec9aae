//go:build unix

package sys

import (
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// Entry is a name in a directory.
type Entry struct {
	// Name is valid until the next Entry.
	Name []byte
	// Dev and Ino are of the file to which the name led when it was listed, as far
	// as the listing tells: Dev is the directory's, and a file that is mounted over
	// the name has others, as has one of a file system that joins several. Ino is 0
	// where the system does not tell.
	Dev, Ino uint64
}

// Lister lists directories, one at a time, in the same memory. The zero value works.
type Lister struct{ buf []byte }

// listSize is how much of a directory is read at once: some thousand names.
const listSize = 128 << 10

// Each calls f for each name in the directory but "." and "..", in no order.
func (l *Lister) Each(d *Dir, f func(Entry)) error {
	return d.do("readdir", ".", func(fd int) error { return l.each(fd, f) })
}

func (l *Lister) each(fd int, f func(Entry)) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil { // it may have been listed before
		return err
	}
	if l.buf == nil {
		l.buf = make([]byte, listSize)
	}
	for {
		var n int
		err := RetryEINTR(func() (err error) {
			n, err = unix.ReadDirent(fd, l.buf)
			return err
		})
		if n <= 0 || err != nil {
			return err
		}
		eachEntry(l.buf[:n], uint64(st.Dev), f) //nolint:unconvert // types differ between systems
	}
}

// Names lists the directory, sorted.
func (d *Dir) Names() (names []string, err error) {
	err = new(Lister).Each(d, func(e Entry) { names = append(names, string(e.Name)) })
	slices.Sort(names)
	return names, err
}
