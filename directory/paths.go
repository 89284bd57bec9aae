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

// AsideDir is where the archiver sets files of stock clients aside: on the same
// file system as the directory, whatever the options say, since it renames them.
func (d *Directory) AsideDir() string { return filepath.Join(d.path, HiddenName) }

// HiddenDir is where archive, spare and files set aside lie: as the options
// say, or in the directory itself.
func (d *Directory) HiddenDir() string {
	if d.o.ArchiveDir != "" {
		return filepath.Clean(d.o.ArchiveDir)
	}
	return filepath.Join(d.path, HiddenName)
}

// ArchivePath is where the archive lies.
func (d *Directory) ArchivePath() string { return filepath.Join(d.HiddenDir(), ArchiveName) }

// IsFileName reports whether a base name is one that some client gives to the
// file of a process, or an archiver to one that it has set aside.
func IsFileName(name string) bool {
	_, base, _ := cutAsideName(name)
	return mmapstore.IsFileName(name) || isStockName(base)
}
