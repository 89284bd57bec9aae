package directory_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// forgetful archivers drop ids at the next commit.
var forgetful = archiver.Options{Fold: aggregate.FoldOptions{KeepIDs: time.Nanosecond}}

// archivedWorld has 5 counts in the archive and 2 in a live file.
func archivedWorld(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	newWorker(t, dir, "a").count(5).die(t)
	archive(t, dir, archiver.Options{})
	newWorker(t, dir, "b").count(2)
	return dir
}

// Property: an archive that cannot be read costs nothing to whoever has read it
// before, and is named; who has not goes on without one that is damaged, and
// fails where waiting may help.
func TestUnreadableArchive(t *testing.T) {
	flip := func(n int) func(*testing.T, string) {
		return func(t *testing.T, path string) { edit(t, path, func(b []byte) { b[n] ^= 1 }) }
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, path string)
		kind   error
	}{
		{"payload", flip(80), mmapstore.ErrChecksum},
		{"header", flip(20), mmapstore.ErrChecksum},
		{"magic", flip(0), mmapstore.ErrNotNative},
		{"newer version", flip(13), mmapstore.ErrVersion},
		{"byte order", flip(8), mmapstore.ErrByteOrder},
		{"cut", func(t *testing.T, path string) { must(t, os.Truncate(path, 90)) }, mmapstore.ErrTruncated},
		{"empty", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, mmapstore.ErrNotNative},
		{"fifo", func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, unix.Mkfifo(path, 0o600)) }, mmapstore.ErrNotRegular},
		{"directory", func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Mkdir(path, 0o700)) }, mmapstore.ErrNotRegular},
		{"link", func(t *testing.T, path string) { must(t, os.Remove(path)); must(t, os.Symlink("/etc/passwd", path)) }, mmapstore.ErrNotRegular},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := archivedWorld(t)
			d := follow(t, dir, directory.Options{})
			wantTotal(t, d, 7)
			c.damage(t, archivePath(dir))
			v := wantTotal(t, d, 7)
			if c.name != "payload" && c.name != "cut" { // whose header says that we know it
				wantProblem(t, v, archivePath(dir), c.kind)
				if !errors.Is(v.ArchiveErr, c.kind) || v.ArchiveOnDisk {
					t.Errorf("ArchiveErr %v, on disk %v", v.ArchiveErr, v.ArchiveOnDisk)
				}
			}
			v = wantTotal(t, follow(t, dir, directory.Options{}), 2)
			wantProblem(t, v, archivePath(dir), c.kind)
		})
	}
}

// Property: an archive that was removed stays exposed by whoever has read it.
func TestRemovedArchive(t *testing.T) {
	dir := archivedWorld(t)
	d := follow(t, dir, directory.Options{})
	wantTotal(t, d, 7)
	must(t, os.RemoveAll(filepath.Join(dir, directory.HiddenName)))
	wantTotal(t, d, 7)
}

// Property: without a descriptor to spare, a scan keeps what is known; who
// knows nothing fails, and says why; and it passes.
func TestNoDescriptors(t *testing.T) {
	dir := archivedWorld(t)
	alone := filepath.Join(t.TempDir(), "alone") // an archive and no files
	must(t, os.Mkdir(alone, 0o755))
	newWorker(t, alone, "a").count(5).die(t)
	archive(t, alone, archiver.Options{})
	known, knownAlone := follow(t, dir, directory.Options{}), follow(t, alone, directory.Options{})
	wantTotal(t, known, 7)
	wantTotal(t, knownAlone, 5)
	unlimit := exhaustDescriptors(t)
	v, err := known.Scan(context.Background())
	w, errAlone := knownAlone.Scan(context.Background())
	_, unknown := follow(t, dir, directory.Options{}).Scan(context.Background())
	unlimit()
	must(t, errors.Join(err, errAlone))
	defer v.Close()
	defer w.Close()
	if got := total(t, v); got != 7 || len(v.Problems) == 0 || v.Unopened == 0 {
		t.Errorf("total %v, problems %v", got, v.Problems)
	}
	if got := total(t, w); got != 5 {
		t.Errorf("archive alone: total %v", got)
	}
	if !errors.Is(unknown, unix.EMFILE) {
		t.Errorf("known nothing: %v", unknown)
	}
	if v := wantTotal(t, known, 7); len(v.Problems) != 0 {
		t.Errorf("problems %v", v.Problems)
	}
}

// Property: a listing that fails after the archive was read does not count what
// the archive holds a second time.
func TestListingFailsAfterCommit(t *testing.T) {
	dir := t.TempDir()
	hidden := filepath.Join(t.TempDir(), "hidden")
	o := directory.Options{ArchiveDir: hidden}
	d := follow(t, dir, o)
	newWorker(t, dir, "a").count(5).die(t)
	newWorker(t, dir, "b").count(2)
	wantTotal(t, d, 7)
	busy := follow(t, dir, directory.Options{ArchiveDir: hidden, Archiving: true})
	archiveBy(t, busy, archiver.Options{})
	must(t, os.Rename(dir, dir+".away"))
	must(t, os.WriteFile(dir, nil, 0o600)) // ENOTDIR, which is no absence
	v := wantTotal(t, d, 7)
	wantProblem(t, v, dir, unix.ENOTDIR)
	must(t, os.Remove(dir))
	must(t, os.Rename(dir+".away", dir))
	wantTotal(t, d, 7)
}

// Property: some descriptors are left over for the rest of the process. Who can
// open only a part of the files for the first time says so, rather than to show
// the part as the whole; who has shown what it knows goes on with that.
func TestFewDescriptors(t *testing.T) {
	dir := t.TempDir()
	for range 100 {
		newWorker(t, dir, "a").count(1)
	}
	unlimit := limitDescriptors(t, 150)
	defer unlimit()
	known := follow(t, dir, directory.Options{})
	v, err := known.Scan(context.Background())
	if err != nil {
		t.Fatalf("with enough: %v", err)
	}
	v.Close() // or the garbage collector frees descriptors in the midst of the test
	must(t, known.Close())
	unlimit()
	unlimit = limitDescriptors(t, 60)
	unknown := follow(t, dir, directory.Options{})
	_, err = unknown.Scan(context.Background())
	f, spare := os.Open(os.DevNull)
	unlimit()
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), dir) {
		t.Errorf("first scan: %v", err)
	}
	must(t, spare)
	must(t, f.Close())
	wantTotal(t, unknown, 100)
}

func exhaustDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	return limitDescriptors(t, 0)
}

// limitDescriptors leaves so many more to this process than it has now.
func limitDescriptors(t *testing.T, more uint64) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	few := old
	f, err := os.Open("/dev/null") // takes the lowest number that is free
	must(t, err)
	few.Cur = uint64(f.Fd()) + more
	must(t, f.Close())
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	return func() { must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old)) }
}
