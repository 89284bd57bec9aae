//go:build unix

package redisstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// identity is as which host a directory is published, and what of its counts others
// hold already: what was folded under ids that it had before. It lies in the directory
// itself, and so lives exactly as long as the counts do.
type identity struct {
	id   mmapstore.ID
	base *aggregate.Archive
	// returns is how often the id was changed.
	returns uint64
	// confirmed is when a publication was acknowledged last, to a minute or so. Zero:
	// there may have been none.
	confirmed time.Time
}

// next is the identity of who goes on where the base ends.
func (i identity) next(base *aggregate.Archive) identity {
	return identity{id: mmapstore.NewID(), base: base, returns: i.returns + 1, confirmed: time.Now()}
}

// identityFile keeps the identity of a directory: the bytes are those of an archive, whose
// id is the host's and which holds the base, and the time of the file is when a
// publication was confirmed.
type identityFile struct{ d *directory.Directory }

// Names in the directory of promfold's own.
const (
	identityName = "host.pfh"
	unnamedName  = "host.new" // an identity that is being written
	lockName     = "publisher.lock"
)

func (f identityFile) path(name string) string { return filepath.Join(f.d.HiddenDir(), name) }

// errNoIdentity: the directory was never published.
var errNoIdentity = errors.New("no host id")

// errDamagedIdentity: nobody can tell any more as which host the directory was published.
var errDamagedIdentity = errors.New("damaged host id")

// load reads the identity. It fails with errNoIdentity or errDamagedIdentity, or because the
// file cannot be read now.
func (f identityFile) load() (identity, error) {
	path := f.path(identityName)
	opened, err := f.d.OpenFile(path, os.O_RDONLY, 0)
	file, size, err := mmapstore.Regular(path, opened, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return identity{}, errNoIdentity
	case errors.Is(err, mmapstore.ErrNotRegular):
		return identity{}, fmt.Errorf("%w: %w", errDamagedIdentity, err)
	case err != nil:
		return identity{}, fmt.Errorf("host id: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return identity{}, fmt.Errorf("host id: %w", err)
	}
	b := make([]byte, min(size, aggregate.MaxArchiveSize))
	if _, err := io.ReadFull(file, b); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return identity{}, fmt.Errorf("host id: %w", err)
	}
	a, err := aggregate.DecodeArchive(b)
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s: %w", errDamagedIdentity, path, err)
	}
	return identity{a.ID, a, a.Generation, info.ModTime()}, nil
}

// save puts the identity in the place of the one before, as a whole.
func (f identityFile) save(i identity) error {
	if err := f.makeHidden(); err != nil {
		return fmt.Errorf("host id: %w", err)
	}
	a := &aggregate.Archive{ID: i.id, Generation: i.returns, Schema: i.base.Schema, Words: i.base.Words, History: i.base.History}
	unnamed := f.path(unnamedName)
	file, err := f.d.OpenFile(unnamed, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("host id: %w", err)
	}
	_, err = file.Write(a.Encode())
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.d.Rename(unnamed, f.path(identityName))
	}
	if err != nil {
		_ = f.d.Remove(unnamed) // what it takes may be all the room there was
		return fmt.Errorf("host id: write %s: %w", f.path(identityName), err)
	}
	return nil
}

// confirm gives the file the time of now: its first byte is written again, for which there
// is room in a full directory too. It fails with errNoIdentity if somebody has removed it.
func (f identityFile) confirm() error {
	file, err := f.d.OpenFile(f.path(identityName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoIdentity
	}
	if err != nil {
		return fmt.Errorf("host id: %w", err)
	}
	defer file.Close()
	first := make([]byte, 1)
	if _, err = file.ReadAt(first, 0); err == nil {
		_, err = file.WriteAt(first, 0)
	}
	if err != nil {
		return fmt.Errorf("host id: %w", err)
	}
	return nil
}

// discard renames a damaged identity, for somebody to look at.
func (f identityFile) discard() error {
	to := f.path(directory.DamagedPrefix + identityName)
	if err := f.d.Rename(f.path(identityName), to); err != nil {
		return fmt.Errorf("host id: set aside: %w", err)
	}
	return nil
}

// makeHidden makes the directory of promfold's own, if no archiver has made it: with the
// mode of the main one, except that what everybody may write to is not everybody's.
func (f identityFile) makeHidden() error {
	hidden := f.d.HiddenDir()
	if there, err := f.d.HasDir(hidden); there || err != nil {
		return err
	}
	info, err := os.Stat(f.d.Path())
	if err != nil {
		return err
	}
	if filepath.Dir(hidden) != f.d.Path() {
		return os.MkdirAll(hidden, info.Mode().Perm()&^0o002)
	}
	mode := info.Mode() & (fs.ModePerm | fs.ModeSetgid | fs.ModeSticky) &^ 0o002
	if err := f.d.Mkdir(hidden, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	made, err := f.d.OpenDir(hidden) // whatever the umask
	if err != nil {
		return err
	}
	defer made.Close()
	return made.Chmod(mode)
}

// lock takes the right to publish the directory: nil if another publisher has it. It lasts
// until unlock.
func (f identityFile) lock() (*os.File, error) {
	if err := f.makeHidden(); err != nil {
		return nil, fmt.Errorf("publisher's lock: %w", err)
	}
	file, err := f.d.OpenFile(f.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("publisher's lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock %s: %w", f.path(lockName), err)
	}
	return file, nil
}

// unlock gives up what lock took. To close the file does not do while a child process that
// somebody has just forked has it open as well.
func (f identityFile) unlock(file *os.File) {
	_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
	_ = file.Close()
}

// there reports whether the identity's file is.
func (f identityFile) there() (bool, error) {
	file, err := f.d.OpenFile(f.path(identityName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, file.Close()
}

// holds reports whether the file that is locked is still the one that others would lock.
func (f identityFile) holds(locked *os.File) bool {
	now, err := f.d.OpenFile(f.path(lockName), os.O_RDWR, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer now.Close()
	a, err1 := now.Stat()
	b, err2 := locked.Stat()
	return err1 != nil || err2 != nil || os.SameFile(a, b)
}
