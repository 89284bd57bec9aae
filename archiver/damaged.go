//go:build unix

package archiver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// Damaged files are kept for somebody to look at, but not all of them for ever: a
// process that goes wrong again and again must not fill the directory.
const (
	maxDamaged      = 16       // files, the archive apart
	maxDamagedBytes = 16 << 20 // that they take
)

// setAside renames a damaged file, so that it is in nobody's way and can be
// looked into.
func (a *Archiver) setAside(path string) error {
	name := directory.DamagedPrefix + strings.TrimPrefix(filepath.Base(path), directory.DamagedPrefix)
	dir := a.d.HiddenDir()
	err := a.renameAside(path, dir, name)
	if errors.Is(err, unix.EXDEV) { // the archive is on another file system
		dir = filepath.Dir(path)
		err = a.renameAside(path, dir, name)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	a.note(func(s *Stats) { s.SetAside++ })
	a.o.step(StepDamagedAside)
	a.pruneDamaged(dir, maxDamaged, maxDamagedBytes)
	return nil
}

// renameAside takes the place of an older file of the name. A directory of the
// name, or a directory for a file, needs another name.
func (a *Archiver) renameAside(path, dir, name string) error {
	to := filepath.Join(dir, name)
	err := a.d.Rename(path, to)
	for _, inTheWay := range []error{unix.EISDIR, unix.ENOTDIR, unix.ENOTEMPTY, unix.EEXIST} {
		if errors.Is(err, inTheWay) {
			return a.d.Rename(path, to+"-"+mmapstore.NewID().String()[:8])
		}
	}
	return err
}

// pruneDamaged keeps the newest of the damaged files in dir, within the bounds, and
// reports whether there were more. The archive is always kept, of which there is
// one, and so is a directory with something in it.
func (a *Archiver) pruneDamaged(dir string, files int, bytes int64) (pruned bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	var damaged []os.FileInfo
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), directory.DamagedPrefix) && e.Name() != directory.DamagedPrefix+directory.ArchiveName {
			if info, err := e.Info(); err == nil {
				damaged = append(damaged, info)
			}
		}
	}
	slices.SortFunc(damaged, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for i, info := range damaged {
		if bytes -= held(info); i < files && bytes >= 0 {
			continue
		}
		if a.d.Remove(filepath.Join(dir, info.Name())) == nil {
			pruned = true
			a.o.step(StepDamagedPruned)
		}
	}
	return pruned
}
