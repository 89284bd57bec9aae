package directory

import (
	"path/filepath"

	"github.com/promfold/promfold/mmapstore"
)

// Names inside of a multiprocess directory.
const (
	// HiddenName is the directory for what is promfold's own.
	HiddenName = ".promfold"
	// ArchiveName is the archive in it.
	ArchiveName = "archive.pfa"
	// SpareName is the file in which the next archive is written.
	SpareName = "spare.pfa"
	// DamagedPrefix begins the names of what was set aside.
	DamagedPrefix = "damaged-"
)

// places are the paths of what is promfold's own.
type places struct{ hidden, aside, archive string }

// placesOf are those of the directory at path.
func placesOf(path string, o Options) places {
	p := places{aside: filepath.Join(path, HiddenName)}
	p.hidden = p.aside
	if o.ArchiveDir != "" {
		p.hidden = filepath.Clean(o.ArchiveDir)
	}
	p.archive = filepath.Join(p.hidden, ArchiveName)
	return p
}

// AsideDir is where the archiver sets files of stock clients aside: on the same
// file system as the directory, whatever the options say, since it renames them.
func (d *Directory) AsideDir() string { return d.places.aside }

// HiddenDir is where archive, spare and files set aside lie: as the options
// say, or in the directory itself.
func (d *Directory) HiddenDir() string { return d.places.hidden }

// ArchivePath is where the archive lies.
func (d *Directory) ArchivePath() string { return d.places.archive }

// IsFileName reports whether a base name is one that some client gives to the
// file of a process, or an archiver to one that it has set aside.
func IsFileName(name string) bool {
	_, base, _ := cutAsideName(name)
	return mmapstore.IsFileName(name) || isStockName(base)
}
