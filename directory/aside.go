//go:build unix

package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/spread"
	"github.com/promfold/promfold/mmapstore"
)

// Aside is the file of a stock client under the name by which an archiver set it
// aside. The id in the name is the file's from then on.
type Aside struct {
	ID   mmapstore.ID
	Path string
}

// NewAside makes up the name by which to set aside the file at path: in AsideDir
// or, if there is no room for such a directory, in the directory itself, where
// clients do not look at such names.
func (d *Directory) NewAside(path string) Aside {
	id := mmapstore.NewID()
	name := asideName(id, filepath.Base(path))
	if info, err := os.Lstat(d.AsideDir()); err != nil || !info.IsDir() {
		return Aside{id, filepath.Join(d.path, "."+name)}
	}
	return Aside{id, filepath.Join(d.AsideDir(), name)}
}

// Asides lists what was set aside.
func (d *Directory) Asides() ([]Aside, error) {
	var asides []Aside
	for _, dir := range []string{d.path, d.AsideDir()} {
		names, err := d.readNames(dir)
		if err != nil {
			return nil, fmt.Errorf("list the files set aside: %w", err)
		}
		for _, name := range names {
			if id, _, ok := cutAsideName(name); ok {
				asides = append(asides, Aside{id, filepath.Join(dir, name)})
			}
		}
	}
	return asides, nil
}

// StockPaths lists the files of stock clients that lie in the directory under
// their own names.
func (d *Directory) StockPaths() ([]string, error) {
	names, err := d.readNames(d.path)
	if err != nil {
		return nil, fmt.Errorf("list the directory: %w", err)
	}
	var paths []string
	for _, name := range names {
		if isStockName(name) {
			paths = append(paths, filepath.Join(d.path, name))
		}
	}
	return paths, nil
}

// readNames lists one of our directories. One that does not exist is empty.
func (d *Directory) readNames(dir string) ([]string, error) {
	opened, err := d.Dir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return opened.Names()
}

// StockState is which file lies at path, and whether its writer lives. It reads no
// values. What is no regular file, and what is no client's, is no business of
// ours: it counts as alive, and a scan names it.
func (d *Directory) StockState(path string) (in aggregate.Inode, state mmapstore.State, err error) {
	state = mmapstore.Alive
	err = d.withStock(path, func(f *stockFile) error {
		in, state = f.in, f.probe().State
		return nil
	})
	return in, state, err
}

// SetAside renames the stock client's file at path, if it still is the one with
// the inode, and dead. A process that looked for the name just before may miss
// the file, so nothing stands between the probe and the rename.
func (d *Directory) SetAside(path string, in aggregate.Inode, to Aside) (done bool, err error) {
	err = d.withStock(path, func(f *stockFile) error {
		if f.in != in || f.probe().State != mmapstore.Dead {
			return nil
		}
		if err := d.Rename(path, to.Path); err != nil {
			return fmt.Errorf("set the file of a dead process aside: %w", err)
		}
		done = true
		return nil
	})
	return done, err
}

// withStock opens the file at path for a moment, if it is a client's.
func (d *Directory) withStock(path string, do func(*stockFile) error) error {
	f, err := d.openStock(path)
	if errors.Is(err, mmapstore.ErrNotRegular) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	if h, err := f.look(); err != nil || !h.Sound {
		return err
	}
	return do(f)
}

// NeedsArchive reports whether anything in the stock client's file at path
// outlives its process. What is said of families aside, only gauges of a live mode
// and empty files are worth a closer look.
func (d *Directory) NeedsArchive(path string) (needed bool, err error) {
	needed = true
	err = d.withStock(path, func(f *stockFile) error {
		if !f.head.Empty && !f.LiveOnly() {
			return nil
		}
		if err := f.Refresh(); err != nil {
			return nil //nolint:nilerr // a damaged file needs somebody to look at it
		}
		needed = f.outlives()
		return nil
	})
	return needed, err
}

// OpenAsides opens files that were set aside, probes them, reads them, and gives
// them as a view would. Who called closes them. Those that cannot be opened are
// left out, and named by the error.
func (d *Directory) OpenAsides(asides []Aside) ([]*File, error) {
	all, failed := make([]*File, len(asides)), make([]error, len(asides))
	spread.Each(len(asides), func(i int) { all[i], failed[i] = d.openFile(asides[i].Path) })
	known := d.witnesses()
	var files []*File
	var errs []error
	for i, f := range all {
		switch {
		case failed[i] == nil:
			if w := known[f.file.inode()]; w != nil {
				f.file.witness = w
			}
			files = append(files, f)
		case !errors.Is(failed[i], fs.ErrNotExist):
			errs = append(errs, failed[i])
		}
	}
	orderProviders(files, nil)
	return files, errors.Join(errs...)
}

// witnesses are those of the stock clients' files that scans follow.
func (d *Directory) witnesses() map[aggregate.Inode]*aggregate.Witness {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := make(map[aggregate.Inode]*aggregate.Witness)
	for _, f := range d.files {
		if f.stock != nil {
			known[f.inode()] = f.witness
		}
	}
	return known
}

// OpenFile opens the file of a process, probes it and reads it, whatever lies
// beside it. Who called closes it.
func OpenFile(path string, o Options) (*File, error) {
	return New(filepath.Dir(path), o).openFile(path)
}

func (d *Directory) openFile(path string) (*File, error) {
	t, err := d.open(path)
	if err != nil {
		return nil, err
	}
	t.probeDue(time.Now())
	damage := t.refresh()
	return &File{
		file: t, verdict: t.verdict, identity: t.identity(), created: t.born(), labels: d.o.Labels, damage: damage,
	}, nil
}

// Close lets go of a file that was opened by itself.
func (f *File) Close() { f.file.release() }

// NeedsArchive reports whether anything in the file outlives its process.
func (f *File) NeedsArchive() bool { return f.file.stock == nil || f.file.stock.outlives() }
