//go:build unix

package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// listing is what one look at the directory finds. It changes the Directory
// only once the scan is known to count.
type listing struct {
	d        *Directory
	v        *View
	found    map[string]*tracked // by path
	ids      map[mmapstore.ID]*tracked
	absorbed map[mmapstore.ID]bool
	// copies: files that were known, and turned out to be copies of others.
	copies map[*tracked]bool
}

// list opens what is new and takes what is there.
func (l *listing) list(ctx context.Context) error {
	entries, err := os.ReadDir(l.d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.v.Missing = true
		return nil
	case err != nil && !l.d.scanned:
		return fmt.Errorf("list the directory: %w", err)
	case err != nil:
		l.v.Problems = append(l.v.Problems, Problem{l.d.path, err})
		l.v.Unopened++                   // there may be any file
		for path, f := range l.d.files { // what was there a moment ago
			l.take(path, f)
		}
		return nil
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		path := filepath.Join(l.d.path, e.Name())
		switch {
		case mmapstore.IsTempName(e.Name()):
			l.v.Unborn = append(l.v.Unborn, path)
		case mmapstore.IsFileName(e.Name()):
			if f := l.d.at(path, l.v); f != nil {
				l.take(path, f)
			}
		}
	}
	return nil
}

// take takes a file into the listing, unless it counts elsewhere already: in
// the archive, or under another name.
func (l *listing) take(path string, f *tracked) {
	id := f.id()
	if l.absorbed[id] {
		l.v.Absorbed = append(l.v.Absorbed, AbsorbedFile{path, id})
		l.d.releaseNew(path, f)
		return
	}
	if other := l.ids[id]; other != nil {
		if !l.d.original(f, other) {
			l.reject(path, f)
			return
		}
		delete(l.found, other.path)
		l.reject(other.path, other)
	}
	if l.ids == nil {
		l.ids = make(map[mmapstore.ID]*tracked)
	}
	l.ids[id] = f
	l.found[path] = f
}

// name makes a copy of another file a problem.
func (l *listing) name(path string, f *tracked) {
	err := fmt.Errorf("id %v of another file: %w", f.id(), mmapstore.ErrMalformed)
	l.v.Problems = append(l.v.Problems, Problem{path, err})
}

// reject leaves out a file that is a copy of another.
func (l *listing) reject(path string, f *tracked) {
	l.name(path, f)
	if l.copies == nil {
		l.copies = make(map[*tracked]bool)
	}
	l.copies[f] = true
	l.d.releaseNew(path, f)
}

// original decides which of two files with one id was made by the process: the
// one that somebody writes, the one that we followed, the one whose name agrees
// with its id.
func (d *Directory) original(f, other *tracked) bool {
	for _, is := range []func(*tracked) bool{
		func(f *tracked) bool { return f.reader.Probe().State == mmapstore.Alive },
		func(f *tracked) bool { return d.files[f.path] == f },
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
	for path, f := range d.files {
		if l.found[path] == f {
			continue
		}
		if l.copies[f] || l.renamed(f) {
			f.release() // its id and identity stay with another
			continue
		}
		if absorbedSince(d.archive, f) || l.absorbed[f.id()] {
			d.drop(f)
			continue
		}
		f.orphan = true
		d.orphans[f.id()] = f
	}
	for id, f := range d.orphans {
		dead := f.verdict.State == mmapstore.Dead
		switch {
		case l.renamed(f): // somebody put it back
			f.release()
			delete(d.orphans, id)
		case absorbedSince(d.archive, f) || l.absorbed[id] || dead && !d.o.Archiving:
			d.drop(f)
			delete(d.orphans, id)
		case l.ids[id] != nil: // a copy is left: we go on with what its writer writes
			c := l.ids[id]
			delete(l.found, c.path)
			l.name(c.path, c)
			c.release()
		}
	}
}

// renamed reports whether the very file was found under another name.
func (l *listing) renamed(f *tracked) bool {
	other := l.ids[f.id()]
	return other != nil && other != f && os.SameFile(other.info, f.info)
}

// absorbedSince reports whether an archiver may have absorbed the file and
// forgotten its id since we saw it. Then we cannot tell, and must not count
// twice.
func absorbedSince(a *aggregate.Archive, f *tracked) bool { return a.Horizon > f.seen+1 }
