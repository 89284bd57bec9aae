//go:build unix

package archiver

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// starve lets nothing more be opened, until the limit that it returns is set again.
func starve(t *testing.T) (was unix.Rlimit) {
	t.Helper()
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	low := was
	low.Cur = 0
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	return was
}

// Property: an archive of a newer version that is put in place between two commits of a
// round, of which scarcity makes several, is left alone, and so are the files that were
// not archived yet.
func TestNewerArchiveWithinARound(t *testing.T) {
	dir := t.TempDir()
	mustOnce(t, dir)
	for n := range 4 {
		dead(t, dir, uint64(n))
	}
	var newer []byte
	var there []string
	var limit unix.Rlimit
	folds := 0
	_, err := once(t, dir, Options{step: func(s Step) {
		switch {
		case s == StepFolded:
			if folds++; folds == 1 {
				limit = starve(t)
			} else {
				must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
			}
		case s == StepCommitted && newer == nil:
			flip(t, archiveOf(dir), 13)
			var err error
			newer, err = os.ReadFile(archiveOf(dir))
			must(t, err)
			there = names(t, dir)
		}
	}})
	if !errors.Is(err, mmapstore.ErrVersion) {
		t.Errorf("error %v", err)
	}
	after, err := os.ReadFile(archiveOf(dir))
	must(t, err)
	if left := names(t, dir); len(there) != 2+2 || len(left) != len(there) || !bytes.Equal(after, newer) {
		t.Errorf("%q became %q; archive touched: %v", there, left, !bytes.Equal(after, newer))
	}
}

// Property: a commit does not replace an archive on which it does not build, though
// nobody but the archiver has the lock: the directory was exchanged under it.
func TestDirectoryExchangedBeforeTheCommit(t *testing.T) {
	base := t.TempDir()
	dir, other, away := filepath.Join(base, "metrics"), filepath.Join(base, "other"), filepath.Join(base, "away")
	for path, count := range map[string]uint64{dir: 5, other: 7} {
		must(t, os.Mkdir(path, 0o755))
		dead(t, path, count)
		mustOnce(t, path)
	}
	dead(t, dir, 6)
	theirs, err := os.ReadFile(archiveOf(other))
	must(t, err)
	_, err = once(t, dir, Options{step: func(s Step) {
		if s == StepFolded {
			must(t, os.Rename(dir, away))
			must(t, os.Rename(other, dir))
		}
	}})
	after, readErr := os.ReadFile(archiveOf(dir))
	must(t, readErr)
	if err == nil || !bytes.Equal(after, theirs) {
		t.Errorf("error %v, archive touched: %v", err, !bytes.Equal(after, theirs))
	}
	if here, there := exposed(t, dir), exposed(t, away); here != 7 || there != 5+6 {
		t.Errorf("exposed %v here and %v there", here, there)
	}
}

// Property: if somebody puts an archive of long ago into the place of the spare just
// before it is put in force, nothing is lost that the new one holds.
func TestOldArchiveForTheSpare(t *testing.T) {
	dir := t.TempDir()
	dead(t, dir, 5)
	mustOnce(t, dir)
	old, err := os.ReadFile(archiveOf(dir))
	must(t, err)
	dead(t, dir, 6)
	mustOnce(t, dir)
	dead(t, dir, 7)
	for swaps := range 3 { // none at first, to be sure of what the others change
		left := swaps
		_, err := once(t, dir, Options{step: func(s Step) {
			if s == StepSynced && left > 0 {
				left--
				swapped := filepath.Join(dir, "swapped")
				must(t, os.WriteFile(swapped, old, 0o640))
				must(t, os.Rename(swapped, filepath.Join(dir, directory.HiddenName, directory.SpareName)))
			}
		}})
		must(t, err)
		if got, want := exposed(t, dir), float64(5+6+7+swaps); got != want || left > 0 || !allArchived(t, dir) {
			t.Errorf("%d swaps: exposed %v, want %v; %q", swaps, got, want, names(t, dir))
		}
		dead(t, dir, 1)
	}
}

// Property: while a reader asks for quiet nothing is committed; the commit waits for it,
// but not for ever, and then nothing is lost.
func TestCommitWaitsForReaders(t *testing.T) {
	dir := t.TempDir()
	dead(t, dir, 5)
	mustOnce(t, dir)
	dead(t, dir, 6)
	before, err := os.ReadFile(archiveOf(dir))
	must(t, err)
	there := names(t, dir)
	reader := directory.New(dir, directory.Options{})
	defer reader.Close()
	lock, err := reader.LockCommits(bg, true)
	must(t, err)

	_, err = once(t, dir, Options{commitWait: 100 * time.Millisecond})
	after, readErr := os.ReadFile(archiveOf(dir))
	must(t, readErr)
	if left := names(t, dir); !errors.Is(err, context.DeadlineExceeded) || !bytes.Equal(before, after) || !slices.Equal(left, there) {
		t.Fatalf("beside a reader: error %v, archive touched: %v, %q became %q", err, !bytes.Equal(before, after), there, left)
	}

	var quiet atomic.Bool
	quiet.Store(true)
	folded, done := make(chan struct{}, 1), make(chan error)
	go func() {
		_, err := once(t, dir, Options{step: func(s Step) {
			switch s {
			case StepFolded:
				folded <- struct{}{}
			case StepWritten, StepRenamed:
				if quiet.Load() {
					t.Errorf("%s beside a reader", s)
				}
			}
		}})
		done <- err
	}()
	<-folded
	quiet.Store(false)
	lock.Unlock()
	must(t, <-done)
	if got := exposed(t, dir); got != 11 || !allArchived(t, dir) {
		t.Errorf("exposed %v, %q", got, names(t, dir))
	}
}
