//go:build unix

package directory

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// listing is what one look at the directory finds. It changes the Directory
// only once the scan is known to count. A Directory has one for all its scans, which
// so use the same memory.
type listing struct {
	d     *Directory
	v     *View
	found map[string]*tracked // by path
	fresh int                 // how many of those taken were not known
	ids   map[mmapstore.ID]*tracked
	// inodes are of files without an id of their own.
	inodes   map[aggregate.Inode]*tracked
	absorbed map[mmapstore.ID]bool
	// copies: files that were known, and turned out to be copies of others.
	copies map[*tracked]bool
	// opened are the stock clients' files that are open, when somebody asks.
	opened map[aggregate.Inode]*tracked
	// asideHere: files set aside lie in the directory itself, see NewAside.
	asideHere bool
	// starved is how many new files were not tried for want of descriptors.
	starved int

	names names
}

func newListing(d *Directory) *listing {
	return &listing{
		d:      d,
		found:  make(map[string]*tracked),
		ids:    make(map[mmapstore.ID]*tracked),
		inodes: make(map[aggregate.Inode]*tracked),
		copies: make(map[*tracked]bool),
	}
}

// begin makes the listing that of a scan, which ends it.
func (l *listing) begin(v *View) {
	l.v, l.absorbed = v, v.Archive.AbsorbedIDs()
	l.fresh, l.asideHere, l.starved = 0, false, 0
	if !v.nativeOnly {
		return
	}
	for path, f := range l.d.files {
		if f.stock != nil { // nobody looks, so nothing is new
			l.take(path, f)
		}
	}
}

// end forgets all that was found.
func (l *listing) end() {
	clear(l.found)
	clear(l.ids)
	clear(l.inodes)
	clear(l.copies)
	l.v, l.absorbed, l.opened = nil, nil, nil
	l.names.forget()
}

// list opens what is new and takes what is there: first the directory, then the
// files that were set aside, since a file may be renamed from the one to the
// other meanwhile. The other way round, or in one listing, it would be missed.
func (l *listing) list(ctx context.Context) error {
	defer func() {
		slices.SortFunc(l.v.Absorbed, func(a, b AbsorbedFile) int { return cmp.Compare(a.Path, b.Path) })
		if l.starved > 0 {
			l.v.Unopened += l.starved
			l.v.Problems = append(l.v.Problems, Problem{l.d.path, fmt.Errorf("%d more files: %w", l.starved, l.v.exhausted)})
		}
	}()
	listed, err := l.eachName(ctx, l.d.path, false, l.takeName)
	if err != nil || !listed {
		return err
	}
	listed, err = l.eachName(ctx, l.d.AsideDir(), true, l.takeAside)
	if err != nil || listed && !l.asideHere {
		return err
	}
	_, err = l.eachName(ctx, l.d.path, true, l.takeAside) // there was no room for AsideDir
	return err
}

// takeName takes what a process may have put into the directory.
func (l *listing) takeName(dir string, e entry) {
	switch name := e.name; {
	case mmapstore.IsTempName(name):
		l.v.Unborn = append(l.v.Unborn, filepath.Join(dir, name))
	case isStockName(name) && l.v.nativeOnly:
		l.v.Stock = true
	case isStockName(name) || mmapstore.IsFileName(name):
		l.takeFile(filepath.Join(dir, name), e)
	default:
		_, _, aside := cutAsideName(name)
		l.asideHere = l.asideHere || aside
	}
}

// takeAside takes what an archiver has set aside.
func (l *listing) takeAside(dir string, e entry) {
	id, _, aside := cutAsideName(e.name)
	switch {
	case !aside:
	case l.absorbed[id]:
		l.v.Absorbed = append(l.v.Absorbed, AbsorbedFile{filepath.Join(dir, e.name), id})
	case l.v.nativeOnly:
		l.v.Stock = true
	default:
		l.takeRenamed(filepath.Join(dir, e.name), e)
	}
}

// takeRenamed takes a file that was set aside. If we know it by the name that it
// had, it is open already: with many such files there may be no descriptors for
// them twice.
func (l *listing) takeRenamed(path string, e entry) {
	if l.d.files[path] == nil {
		if info, err := os.Lstat(path); err == nil {
			if f := l.open(inodeOf(info)); f != nil && os.SameFile(info, f.info) {
				l.take(path, f.renamed(path).seenAs(e))
				return
			}
		}
	}
	l.takeFile(path, e)
}

// open is the stock client's file with the inode that is open already, if any.
func (l *listing) open(in aggregate.Inode) *tracked {
	if l.opened == nil {
		l.opened = make(map[aggregate.Inode]*tracked)
		for _, known := range []map[string]*tracked{l.d.files, l.found} {
			for _, f := range known {
				if f.stock != nil {
					l.opened[f.inode()] = f
				}
			}
		}
		for _, f := range l.d.orphans {
			if f.stock != nil {
				l.opened[f.inode()] = f
			}
		}
	}
	return l.opened[in]
}

func (l *listing) takeFile(path string, e entry) {
	if l.v.exhausted != nil && l.d.files[path] == nil {
		l.starved++ // the next will fare no better
		return
	}
	if f := l.d.at(path, l.v); f != nil {
		l.take(path, f.seenAs(e))
	}
}

// take takes a file into the listing, unless it counts elsewhere already: in
// the archive, or under another name.
func (l *listing) take(path string, f *tracked) {
	if l.found[path] == f {
		return // from before, see newListing
	}
	id := f.id()
	if l.absorbed[id] {
		l.v.Absorbed = append(l.v.Absorbed, AbsorbedFile{path, id})
		l.d.releaseNew(path, f)
		return
	}
	if other := l.same(f); other != nil {
		if !l.d.original(f, other) {
			l.reject(path, f, other)
			return
		}
		delete(l.found, other.path)
		l.reject(other.path, other, f)
	}
	l.ids[id] = f
	if f.stock != nil {
		l.inodes[f.inode()] = f
	}
	l.found[path] = f
	if l.d.files[path] != f {
		l.fresh++
	}
}

// newsless reports whether just those files were found that are known.
func (l *listing) newsless() bool {
	return l.fresh == 0 && len(l.found) == len(l.d.files)
}

// same is another file of the listing that is the same as f, or a copy.
func (l *listing) same(f *tracked) *tracked {
	if f.stock != nil {
		return l.inodes[f.inode()]
	}
	return l.ids[f.id()]
}

// name makes a copy of another file a problem.
func (l *listing) name(path string, f *tracked) {
	err := fmt.Errorf("id %v of another file: %w", f.id(), mmapstore.ErrMalformed)
	if f.stock != nil {
		err = fmt.Errorf("another name of a file that counts already: %w", mmapstore.ErrMalformed)
	}
	l.v.Problems = append(l.v.Problems, Problem{path, err})
}

// reject leaves out a file that is a copy of the other. If it was set aside while
// we looked, it is none.
func (l *listing) reject(path string, f, other *tracked) {
	if f.stock == nil || f.stock.aside == other.stock.aside {
		l.name(path, f)
	}
	l.copies[f] = true
	l.d.releaseNew(path, f)
}

// original decides which of two files with one id was made by the process: the
// one that we followed, since a copy can be made and written by anybody; the one
// that somebody writes; the one whose name agrees with its id. Of a file that was
// set aside while we looked, the new name counts.
func (d *Directory) original(f, other *tracked) bool {
	for _, is := range []func(*tracked) bool{
		func(f *tracked) bool { return f.stock != nil && f.stock.aside },
		func(f *tracked) bool { return d.files[f.path] == f },
		func(f *tracked) bool { return f.probe().State == mmapstore.Alive },
		func(f *tracked) bool { return strings.Contains(filepath.Base(f.path), f.id().String()[:16]) },
	} {
		if mine, its := is(f), is(other); mine != its {
			return mine
		}
	}
	return f.path < other.path
}

// replaceVanished lets go of the files that are not found any more. Those that
// the archive holds are done with. The others were removed by somebody else, and
// their counts, which were exposed, are kept as long as their descriptor is.
func (l *listing) replaceVanished() {
	d := l.d
	if !l.newsless() {
		l.releaseVanished()
	}
	for id, f := range d.orphans {
		dead := f.verdict.State == mmapstore.Dead
		switch {
		case l.renamed(f): // somebody put it back
			f.release()
			delete(d.orphans, id)
		case l.takenIn(f) || dead && !d.o.Archiving:
			f.release()
			delete(d.orphans, id)
		case l.ids[id] != nil: // a copy is left: we go on with what its writer writes
			c := l.ids[id]
			delete(l.found, c.path)
			l.name(c.path, c)
			c.release()
		}
	}
}

// releaseVanished is replaceVanished for the files that had their names until now.
func (l *listing) releaseVanished() {
	d := l.d
	for path, f := range d.files {
		switch {
		case l.found[path] == f:
		case l.copies[f] || l.renamed(f):
			f.release() // it goes on under another name
		case l.takenIn(f) || l.droppedByClients(f):
			f.release()
		default:
			f.orphan = true
			d.orphans[f.id()] = f
		}
	}
}

// renamed reports whether the very file was found under another name.
func (l *listing) renamed(f *tracked) bool {
	other := l.same(f)
	return other != nil && other != f && os.SameFile(other.info, f.info)
}

// takenIn reports whether the archive holds the file, or may hold it: if an
// archiver could have absorbed it and forgotten its id since we saw it, then we
// cannot tell, and must not count twice.
func (l *listing) takenIn(f *tracked) bool {
	a := l.d.archive
	return l.absorbed[f.id()] || a.Horizon > f.seen+1 || a.TookIn(f.inode(), f.seen)
}

// droppedByClients reports whether the application itself removed the file, and
// its counts are not missing: mark_process_dead removes gauges of live modes, and
// the archiver of another program has taken in what it removes.
func (l *listing) droppedByClients(f *tracked) bool {
	return f.stock != nil && (l.v.Foreign || !f.stock.outlives() && f.verdict.State != mmapstore.Alive)
}
