//go:build unix

package directory

import (
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Options are the choices of New. The zero value works.
type Options struct {
	// ArchiveDir holds archive and spare. Default: .promfold in the directory.
	ArchiveDir string
	// Labels are added to every series of the directory.
	Labels []mmapstore.Label
	// Identities is shared by directories that are merged with each other.
	// Default: one of its own.
	Identities *Identities
	// SamePIDNamespace says that pids in the names of stock clients' files are of
	// our own pid namespace, so that a pid which does not exist is a sign of death.
	SamePIDNamespace bool
	// Overrides is what is known better than stock clients' files tell it. See
	// SetOverrides.
	Overrides mmapstore.Overrides
	// Archiving says that this process archives the directory as well. Files
	// that others unlink are then kept until they are folded.
	Archiving bool
	// Once says that there will be one look at the files: each is read when it is
	// found, and closed, so that there may be more of them than can be open.
	Once bool
}

// Directory follows one multiprocess directory, which need not exist yet and
// may vanish and come back. Its methods may be called by several goroutines;
// scans run one at a time. An exporter and an archiver in one process share a
// Directory, so that each file is opened once.
type Directory struct {
	path     string
	o        Options
	places   places
	siblings *stock.Siblings // of the files of stock clients

	// mu guards what is known of the files, for the length of a scan.
	mu      sync.Mutex
	files   map[string]*tracked       // by path
	orphans map[mmapstore.ID]*tracked // files that lost their name
	archive *aggregate.Archive        // the last good one
	stamp   stamp                     // of the last good one
	scanned bool                      // at least one scan came to something
	owners  map[mmapstore.ID]bool     // who has an identity
	scratch scratch                   // of scans

	// overrides may change during a scan.
	overrides atomic.Pointer[overrides]
}

// New makes a Directory of the path. Nothing is opened before the first Scan.
func New(path string, o Options) *Directory {
	if o.Identities == nil {
		o.Identities = NewIdentities()
	}
	d := &Directory{
		path:     filepath.Clean(path),
		o:        o,
		siblings: stock.NewSiblings(),
		files:    make(map[string]*tracked),
		orphans:  make(map[mmapstore.ID]*tracked),
		archive:  aggregate.NewArchive(),
	}
	d.places = placesOf(d.path, o)
	d.SetOverrides(o.Overrides)
	return d
}

// Path is the path of the directory, clean.
func (d *Directory) Path() string { return d.path }

// Close lets go of all files. Views that are still in use stay readable until
// they are closed.
func (d *Directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		f.release()
	}
	for _, f := range d.orphans {
		f.release()
	}
	clear(d.files)
	clear(d.orphans)
	d.scratch = scratch{}
	d.releaseOwners(nil)
	d.owners = nil
	return nil
}

// Problem is a file that could not be used, or not in full.
type Problem struct {
	Path string
	Err  error
}

// Reason is a bounded word for a label value: see mmapstore.Reason.
func (p Problem) Reason() string { return mmapstore.Reason(p.Err) }

// AbsorbedFile is a file that the archive holds.
type AbsorbedFile struct {
	Path string
	ID   mmapstore.ID
}

// Edition is an archive, and which file on disk it was read from.
type Edition struct {
	// Archive is never nil.
	Archive *aggregate.Archive

	path   string
	open   opener
	onDisk stamp // zero if there was none that can be read
}

// Current reports whether the archive on disk is still the one of the edition.
func (e Edition) Current() bool {
	now, _ := readStamp(e.path, e.open) // one that cannot be read is nobody's new one
	return now == e.onDisk
}

// Next is the edition of the archive that was just put in the place of this one.
func (e Edition) Next(a *aggregate.Archive) Edition {
	return Edition{Archive: a, path: e.path, open: e.open, onDisk: stamp{a.Generation, a.ID}}
}

// View is what one scan found: sources that count everything exactly once. It
// keeps their files open until Close.
type View struct {
	Edition
	// Missing: the directory does not exist (yet).
	Missing bool
	// Stock: there are files of stock clients that the view leaves out.
	Stock bool
	// Foreign: an archiver of another program is at work in the directory.
	Foreign bool
	// Files are the files of processes, in order of birth.
	Files []*File
	// ArchiveErr is why the archive on disk could not be read. Archive is then
	// the last good one.
	ArchiveErr error
	// ArchiveOnDisk is false if there is no archive on disk, or none that is good.
	ArchiveOnDisk bool
	// Absorbed are the files that the archive holds and that are still there.
	Absorbed []AbsorbedFile
	// Unopened is the number of files that could not be opened, so that nobody
	// knows their ids.
	Unopened int
	// Unborn are the paths of temporary files.
	Unborn []string
	// Problems are the files that could not be used, or not in full.
	Problems []Problem

	labels     []mmapstore.Label
	overrides  *overrides
	nativeOnly bool
	foreign    *Lock // keeps the other archiver out; nil if there is none
	exhausted  error // why a file could not be opened, if others may be no better off
}

// Sources is what a merge takes: the processes and the archive.
func (v *View) Sources() []aggregate.Source {
	sources := make([]aggregate.Source, 0, len(v.Files)+1)
	for _, f := range v.Files {
		sources = append(sources, f)
	}
	return append(sources, v.overrides.hide(v.Archive.Source(v.path, v.labels)))
}

// Close lets go of the files of the view.
func (v *View) Close() {
	for _, f := range v.Files {
		f.file.release()
	}
	v.Files = nil
	if v.foreign != nil {
		v.foreign.Unlock()
		v.foreign = nil
	}
}
