package archiver

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// standby runs an archiver until the test ends.
func standby(t *testing.T, dir string) *Archiver {
	t.Helper()
	a, stop := running(t, dir)
	t.Cleanup(stop)
	return a
}

func running(t *testing.T, dir string) (a *Archiver, stop func()) {
	t.Helper()
	d := directory.New(dir, directory.Options{Archiving: true})
	a = New(d, Options{Interval: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	return a, func() {
		cancel()
		must(t, <-done)
		must(t, d.Close())
	}
}

// Property: of two archivers one is active; when its context ends the other goes
// on, and Run returns nil.
func TestStandbyTakesOver(t *testing.T) {
	dir := t.TempDir()
	first, stop := running(t, dir)
	eventually(t, "active", func() bool { return first.Stats().Active })
	second := standby(t, dir)
	dead(t, dir, 5)
	eventually(t, "absorbed", func() bool { return first.Stats().Absorbed == 1 })
	if second.Stats().Active {
		t.Error("two at once")
	}
	stop()
	dead(t, dir, 6)
	eventually(t, "absorbed by the standby", func() bool { return second.Stats().Absorbed == 1 })
	if got := exposed(t, dir); got != 11 || first.Stats().Active {
		t.Errorf("exposed %v", got)
	}
}

// remove removes all of it, however fast an archiver makes more.
func remove(t *testing.T, path string) {
	t.Helper()
	eventually(t, "removed", func() bool { return os.RemoveAll(path) == nil })
}

// Property: the lock survives `rm -rf dir/*` and the removal of what is hidden:
// the active archiver writes its archive again, and no second becomes active.
func TestLockSurvivesRemovalOfEverything(t *testing.T) {
	dir := t.TempDir()
	a := standby(t, dir)
	dead(t, dir, 5)
	eventually(t, "absorbed", func() bool { return a.Stats().Absorbed == 1 })
	other := standby(t, dir)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		remove(t, filepath.Join(dir, e.Name()))
	}
	eventually(t, "written again", func() bool { return exposed(t, dir) == 5 })
	if !a.Stats().Active || other.Stats().Active {
		t.Error("the lock was lost")
	}
}

// Property: an archiver waits for a directory that is not there, and follows it
// over its removal to the one that takes its place.
func TestDirectoryIsMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	a := standby(t, dir)
	must(t, os.Mkdir(dir, 0o755))
	dead(t, dir, 5)
	eventually(t, "absorbed", func() bool { return a.Stats().Absorbed == 1 })
	remove(t, dir)
	eventually(t, "let go", func() bool { return !a.Stats().Active })
	must(t, os.Mkdir(dir, 0o755))
	dead(t, dir, 6)
	eventually(t, "absorbed again", func() bool { return allArchived(t, dir) })
	if got := exposed(t, dir); got != 11 { // what it held was exposed, and stays
		t.Errorf("exposed %v", got)
	}
}

// Property: Once waits for whoever holds the directory, as long as its context
// lets it; without a directory it fails.
func TestOnceWaits(t *testing.T) {
	dir := t.TempDir()
	dead(t, dir, 5)
	lock, err := directory.LockDir(context.Background(), dir, false)
	must(t, err)
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := New(d, Options{}).Once(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another has the lock: %v", err)
	}
	done := make(chan error)
	go func() { done <- New(d, Options{}).Once(context.Background()) }()
	lock.Unlock()
	must(t, <-done)
	if !allArchived(t, dir) {
		t.Errorf("not archived: %q", names(t, dir))
	}
	if _, err := once(t, filepath.Join(dir, "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

// Property: archive and spare change places at each commit, so that a commit
// needs neither an inode nor, while the archive does not grow, space.
func TestSpareIsExchanged(t *testing.T) {
	dir := t.TempDir()
	inodes := func() (archive, spare uint64) {
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(dir, ".promfold/archive.pfa"), &st))
		archive = st.Ino
		must(t, unix.Stat(filepath.Join(dir, ".promfold/spare.pfa"), &st))
		return archive, st.Ino
	}
	mustOnce(t, dir)
	var st unix.Stat_t // even of the first one: the disk may be full by then
	must(t, unix.Stat(filepath.Join(dir, ".promfold/spare.pfa"), &st))
	if st.Blocks == 0 && runtime.GOOS == "linux" {
		t.Error("no space is reserved for the first commit")
	}
	dead(t, dir, 1)
	mustOnce(t, dir)
	for range 3 {
		archive, spare := inodes()
		dead(t, dir, 1)
		mustOnce(t, dir)
		if a, s := inodes(); a != spare || s != archive {
			t.Errorf("archive %d and spare %d became %d and %d", archive, spare, a, s)
		}
	}
	must(t, os.Remove(filepath.Join(dir, ".promfold/spare.pfa"))) // what is in its place is set aside
	must(t, unix.Mkfifo(filepath.Join(dir, ".promfold/spare.pfa"), 0o600))
	dead(t, dir, 1)
	mustOnce(t, dir)
	if got := exposed(t, dir); got != 5 {
		t.Errorf("exposed %v", got)
	}
}

func archiveOf(dir string) string { return filepath.Join(dir, ".promfold/archive.pfa") }

func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	b[at] ^= 1
	must(t, os.WriteFile(path, b, 0o640))
}

// Property: an archive that is damaged is set aside, and the archiver that knew
// it writes it again, in one round; one that did not goes on from nothing.
func TestDamagedArchive(t *testing.T) {
	for _, remembers := range []bool{true, false} {
		dir := t.TempDir()
		dead(t, dir, 5)
		mustOnce(t, dir)
		d := directory.New(dir, directory.Options{Archiving: true})
		defer d.Close()
		want := 6.0
		if remembers {
			want += exposedBy(t, d)
		}
		flip(t, archiveOf(dir), 20)
		dead(t, dir, 6)
		a := New(d, Options{})
		must(t, a.Once(context.Background()))
		if got := exposed(t, dir); got != want || a.Stats().SetAside != 1 {
			t.Errorf("remembers %v: exposed %v, want %v; %+v", remembers, got, want, a.Stats())
		}
		if !slices.Contains(names(t, dir), ".promfold/damaged-archive.pfa") {
			t.Errorf("not set aside: %q", names(t, dir))
		}
	}
}

// Property: beside an archive of a newer version nothing is touched, and every
// round says why.
func TestNewerArchive(t *testing.T) {
	dir := t.TempDir()
	dead(t, dir, 5)
	mustOnce(t, dir)
	flip(t, archiveOf(dir), 13)
	before, err := os.ReadFile(archiveOf(dir))
	must(t, err)
	dead(t, dir, 6)
	there := names(t, dir)
	for range 2 {
		if _, err := once(t, dir, Options{}); !errors.Is(err, mmapstore.ErrVersion) {
			t.Errorf("error %v", err)
		}
	}
	after, err := os.ReadFile(archiveOf(dir))
	must(t, err)
	if !bytes.Equal(before, after) || !slices.Equal(there, names(t, dir)) {
		t.Error("touched")
	}
}

// Property: the damaged file of a dead process is folded as far as it can be
// read, once, and set aside.
func TestDamagedDeadFile(t *testing.T) {
	dir := t.TempDir()
	w := counting(t, dir, 5)
	_, err := w.AddFamily(mmapstore.Family{Name: "lost_total", Type: mmapstore.Counter})
	must(t, err)
	must(t, w.Close())
	b, err := os.ReadFile(w.Path())
	must(t, err)
	flip(t, w.Path(), bytes.Index(b, []byte("lost_total")))
	if stats := mustOnce(t, dir); stats.SetAside != 1 || stats.Absorbed != 1 {
		t.Errorf("%+v", stats)
	}
	mustOnce(t, dir)
	aside := ".promfold/damaged-" + filepath.Base(w.Path())
	if got := exposed(t, dir); got != 5 || !slices.Contains(names(t, dir), aside) {
		t.Errorf("exposed %v, %q", got, names(t, dir))
	}
}

// Property: of temporary files those alone are swept that are old and that
// nobody locks.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	live := counting(t, dir, 1)
	temp := func(name string, age time.Duration) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte("half a header"), 0o600))
		must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
		return path
	}
	temp(".worker-1-old.tmp", 2*time.Minute)
	young := temp(".worker-2-young.tmp", 10*time.Second)
	foreign := temp(".other.tmp", time.Hour)
	locked := filepath.Join(dir, ".worker-3-locked.tmp")
	must(t, os.Link(live.Path(), locked))
	must(t, os.Chtimes(locked, time.Time{}, time.Now().Add(-time.Hour)))
	if stats := mustOnce(t, dir); stats.Swept != 1 {
		t.Errorf("%+v", stats)
	}
	want := []string{".promfold/archive.pfa", ".promfold/spare.pfa", filepath.Base(foreign), filepath.Base(young), filepath.Base(locked), filepath.Base(live.Path())}
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// Property: gauges of the dead leave the archive when their time has come,
// though nobody dies any more.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{Identity: "7"})
	must(t, err)
	family, err := w.AddFamily(mmapstore.Family{Name: "g", Type: mmapstore.Gauge, Mode: mmapstore.All})
	must(t, err)
	_, err = w.AddSeries(family, "", time.Now())
	must(t, err)
	must(t, w.Close())
	now := time.Now()
	o := Options{Fold: aggregate.FoldOptions{Now: func() time.Time { return now }}}
	gauges := func() int {
		stats, err := once(t, dir, o)
		must(t, err)
		a, err := directory.ReadArchive(archiveOf(dir))
		must(t, err)
		if len(a.Schema.Series) == 1 && a.Schema.Series[0].Labels.Get("pid") != "7" {
			t.Errorf("labels %v", a.Schema.Series[0].Labels)
		}
		_ = stats
		return len(a.Schema.Series)
	}
	if gauges() != 1 {
		t.Error("not archived")
	}
	if now = now.Add(9 * time.Minute); gauges() != 1 {
		t.Error("left too early")
	}
	if now = now.Add(2 * time.Minute); gauges() != 0 {
		t.Error("stays for ever")
	}
	if stats, err := once(t, dir, o); err != nil || stats.Commits != 0 {
		t.Errorf("a round without anything to do: %+v, %v", stats, err)
	}
}

// Property: a mode of the directory is the example for what is hidden in it, and
// another place for the archive is used alone.
func TestArchiveDir(t *testing.T) {
	dir, hidden := t.TempDir(), filepath.Join(t.TempDir(), "deep/archive")
	dead(t, dir, 5)
	d := directory.New(dir, directory.Options{Archiving: true, ArchiveDir: hidden})
	defer d.Close()
	must(t, New(d, Options{}).Once(context.Background()))
	if got := names(t, hidden); !slices.Equal(got, []string{"archive.pfa", "spare.pfa"}) || len(names(t, dir)) != 0 {
		t.Errorf("%q, %s", got, strings.Join(names(t, dir), " "))
	}
	if got := exposedBy(t, d); got != 5 {
		t.Errorf("exposed %v", got)
	}
}

// Property: whoever may use the directory may use the archive in the same way,
// whatever the umask; the world may never write it, nor replace it.
func TestModes(t *testing.T) {
	for dirMode, want := range map[os.FileMode]os.FileMode{
		0o700: 0o640, 0o750: 0o640, 0o775: 0o664, 0o777: 0o664,
		0o770 | os.ModeSetgid: 0o660, 0o777 | os.ModeSticky: 0o664,
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, dirMode); err != nil {
			t.Fatal(err)
		}
		d := directory.New(dir, directory.Options{Archiving: true})
		defer d.Close()
		if err := New(d, Options{}).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		hidden, err := os.Stat(d.HiddenDir())
		if err != nil || hidden.Mode()&^os.ModeDir != dirMode&^0o002 {
			t.Errorf("directory of mode %v: hidden one %v, %v", dirMode, hidden.Mode(), err)
		}
		spare, err := os.Stat(filepath.Join(d.HiddenDir(), directory.SpareName))
		if err != nil || spare.Mode().Perm() != want {
			t.Errorf("directory of mode %v: spare %v, %v, want %v", dirMode, spare.Mode(), err, want)
		}
	}
}
