//go:build unix

package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// at is the file at path: the open one, if the name still leads to it.
func (d *Directory) at(path string, v *View) *tracked {
	known := d.files[path]
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // went away since the listing
	case err != nil && known != nil:
		v.Problems = append(v.Problems, Problem{path, err})
		return known // only ENOENT is absence
	case known != nil && os.SameFile(info, known.info) && !known.rewritten(info):
		return known
	}
	f, err := d.open(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			v.Problems = append(v.Problems, Problem{path, err})
			if mmapstore.Reason(err) == mmapstore.ReasonIO {
				v.Unopened++ // it may open next time, and be one that was absorbed
			}
			if exhausted(err) {
				v.exhausted = err
			}
		}
		return nil
	}
	return f
}

// open opens a file to follow it.
func (d *Directory) open(path string) (*tracked, error) {
	f := &tracked{path: path, witness: new(aggregate.Witness)}
	var err error
	if _, base, _ := cutAsideName(filepath.Base(path)); isStockName(base) {
		if f.stock, err = d.openStock(path); err == nil {
			f.process = f.stock
		}
	} else {
		f.process, err = openNative(path)
	}
	if err != nil {
		return nil, err
	}
	f.info, err = f.File().Stat()
	if err == nil && uint64(f.File().Fd()) >= maxDescriptor() {
		err = fmt.Errorf("open %s: %w", path, unix.EMFILE)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if d.o.Once {
		f.process = takeSnapshot(f.process)
	}
	f.refs = new(atomic.Int32)
	f.refs.Store(1)
	return f, nil
}

// spareDescriptors are left to the rest of the process: without any, it could
// not even accept the connection on which to say so.
const spareDescriptors = 32

// maxDescriptor is the first descriptor that is not for files. Descriptors are
// given out from the lowest, so one that high means that most are taken.
func maxDescriptor() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 63
	}
	n := uint64(limit.Cur) //nolint:unconvert // an int64 on FreeBSD
	return n - min(spareDescriptors, n/4)
}

// exhausted reports whether an error is for lack of resources, of which other
// files may have taken the last.
func exhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}
