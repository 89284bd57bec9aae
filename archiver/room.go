//go:build unix

package archiver

import (
	"context"
	"errors"
	"io/fs"

	"github.com/promfold/promfold/directory"
)

// makeRoom is for a directory so full that not even ours can be made in it: the
// usual patient. Files of dead processes that need no archive can go without one.
// They are set aside in the directory itself, under names that no client looks
// at, rest as others do, and are removed. It reports whether there is hope.
func (a *Archiver) makeRoom(ctx context.Context, e directory.Edition) (hope bool, err error) {
	asides, err := a.d.Asides()
	if err != nil {
		return false, err
	}
	rested := a.rested(e.Archive, asides)
	for len(rested) > 0 && ctx.Err() == nil {
		n := min(len(rested), foldBatch)
		files, failed := a.d.OpenAsides(rested[:n])
		_, failed2 := a.discard(files)
		for _, f := range files {
			f.Close()
		}
		err = errors.Join(err, failed, failed2)
		rested = rested[n:]
	}
	paths, failed := a.d.StockPaths()
	err = errors.Join(err, failed)
	foreign := a.d.Foreign()
	known := a.mourned
	a.mourned = make(map[string]mourned)
	for _, path := range paths {
		if ctx.Err() != nil || len(a.resting)+len(a.mourned) >= roomBatch || foreign {
			break
		}
		if needed, failed := a.d.NeedsArchive(path); needed || failed != nil {
			continue // a scan names what cannot be read
		}
		found := a.lookAt(path, known[path])
		failed := a.keep(&found)
		if failed != nil && !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
			break
		}
	}
	return !a.nextDue().IsZero(), err
}

// roomBatch is how many files are removed to make room: a directory, an archive
// and its spare do not need many.
const roomBatch = 16
