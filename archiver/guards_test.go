//go:build unix

package archiver

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

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
