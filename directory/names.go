//go:build unix

package directory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/sys"
)

// entry is a name in one of our directories, and what the listing tells of the file to which it
// led: see sys.Entry.
type entry struct {
	name string
	in   aggregate.Inode
}

// names are what one of our directories held when it was read.
type names struct {
	lister sys.Lister
	path   []byte // of the entry at hand
	// known are the files that are where they were.
	known []*tracked
	// others are what is to be looked at, sorted by name.
	others []entry
}

// read lists the directory dir. Files that an archiver set aside are known, if aside,
// and nothing else is.
func (l *listing) read(dir string, aside bool) error {
	n := &l.names
	n.forget()
	opened, err := l.d.Dir(dir)
	if err != nil {
		return err
	}
	defer opened.Close()
	n.path = append(n.path[:0], strings.TrimSuffix(filepath.Join(dir, "x"), "x")...)
	prefix := len(n.path)
	err = n.lister.Each(opened, func(e sys.Entry) {
		if aside && !bytes.HasPrefix(bytes.TrimPrefix(e.Name, []byte(".")), []byte(asidePrefix)) {
			return // of no interest: see takeAside
		}
		n.path = append(n.path[:prefix], e.Name...)
		in := aggregate.Inode{Dev: e.Dev, Ino: e.Ino}
		if f := l.d.files[string(n.path)]; f != nil && f.isAside() == aside && f.unmoved(in) && (f.stock == nil || !l.v.nativeOnly) {
			n.known = append(n.known, f)
			return
		}
		n.others = append(n.others, entry{string(e.Name), in})
	})
	slices.SortFunc(n.others, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return err
}

// forget empties the lists.
func (n *names) forget() {
	clear(n.known)
	clear(n.others)
	n.known, n.others = n.known[:0], n.others[:0]
}

// heldDescriptors are the lowest that are free, which files that stay open are not to
// take: what is opened for a moment, a connection or one of our directories, needs them
// when somebody lowers the limit below what is open.
const heldDescriptors = 6

// eachName takes the files of the directory dir that are where they were, and calls
// f for every other name. It reports whether there is such a directory.
func (l *listing) eachName(ctx context.Context, dir string, aside bool, f func(dir string, e entry)) (listed bool, err error) {
	err = l.read(dir, aside)
	hopeless := notDirectory(err) && dir != l.d.path // waiting would not help
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.v.Missing = l.v.Missing || dir == l.d.path
		return false, nil
	case err != nil && !l.d.scanned && !hopeless:
		return false, fmt.Errorf("list the directory: %w", err)
	case err != nil:
		if hopeless {
			err = imposter(err)
		}
		l.v.Problems = append(l.v.Problems, Problem{dir, err})
		l.v.Unopened++                   // there may be any file
		for path, f := range l.d.files { // what was there a moment ago
			if filepath.Dir(path) == dir {
				l.take(path, f)
			}
		}
		return true, nil
	}
	for _, known := range l.names.known {
		l.take(known.path, known)
	}
	if !l.d.o.Once && slices.ContainsFunc(l.names.others, func(e entry) bool { return IsFileName(e.name) }) {
		defer sys.HoldDescriptors(heldDescriptors)()
	}
	for _, e := range l.names.others {
		if ctx.Err() != nil {
			return true, ctx.Err()
		}
		if l.v.exhausted != nil && !l.d.scanned {
			return true, l.v.exhausted // a part must not pass for the whole: see scanOnce
		}
		f(dir, e)
	}
	return true, nil
}
