package directory_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a directory that does not exist is missing, not an error; it is
// followed from its creation, over its removal, to its return; and what was
// exposed stays as long as its writer lives.
func TestDirectoryComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	d := follow(t, dir, directory.Options{})
	if v := scan(t, d); !v.Missing || len(v.Files) != 0 || v.Archive == nil {
		t.Fatalf("%+v", v)
	}
	must(t, os.Mkdir(dir, 0o755))
	a := newWorker(t, dir, "a").count(3)
	wantTotal(t, d, 3)
	must(t, os.RemoveAll(dir))
	if v := wantTotal(t, d, 3); !v.Missing || !v.Files[0].Orphan() {
		t.Error("not missing, or no orphan")
	}
	must(t, os.Mkdir(dir, 0o755))
	newWorker(t, dir, "a").count(10)
	a.count(1)
	wantTotal(t, d, 14)
	a.die(t)
	wantTotal(t, d, 14) // its last counts
	wantTotal(t, d, 10) // nobody here archives: it is gone
}

// Property: the file of a live worker that others remove goes on counting; when
// its worker dies, whoever archives folds it from the open descriptor, once.
func TestRemovedFile(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{Archiving: true})
	w := newWorker(t, dir, "a").count(3)
	wantTotal(t, d, 3)
	must(t, os.Remove(w.Path()))
	wantTotal(t, d, 3)
	w.count(4)
	wantTotal(t, d, 7)
	w.count(1).die(t)
	wantTotal(t, d, 8)
	archiveBy(t, d, archiver.Options{})
	if v := wantTotal(t, d, 8); len(v.Files) != 0 {
		t.Error("folded, but still a file")
	}
	wantTotal(t, follow(t, dir, directory.Options{}), 8)
}

// Property: a file that somebody put back under its own or another name is the
// same file.
func TestRenamedFile(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{Archiving: true})
	w := newWorker(t, dir, "a").count(3)
	wantTotal(t, d, 3)
	aside := filepath.Join(dir, "aside")
	must(t, os.Rename(w.Path(), aside))
	wantTotal(t, d, 3)
	must(t, os.Rename(aside, filepath.Join(dir, "worker-other.pfm")))
	if v := wantTotal(t, d, 3); len(v.Files) != 1 || v.Files[0].Orphan() || v.Files[0].Meta().Identity != "a" {
		t.Errorf("%d files", len(v.Files))
	}
	must(t, os.Rename(filepath.Join(dir, "worker-other.pfm"), w.Path()))
	if v := wantTotal(t, d, 3); len(v.Files) != 1 {
		t.Errorf("%d files", len(v.Files))
	}
}

// Property: two archivers that both hold the open descriptor of a removed file
// count it once, though one has slept so long that the id has left the list.
func TestOrphanAbsorbedByAnother(t *testing.T) {
	for _, keep := range []archiver.Options{{}, forgetful} {
		dir := t.TempDir()
		busy, sleepy := follow(t, dir, directory.Options{Archiving: true}), follow(t, dir, directory.Options{Archiving: true})
		w := newWorker(t, dir, "a").count(5)
		wantTotal(t, busy, 5)
		wantTotal(t, sleepy, 5)
		must(t, os.Remove(w.Path()))
		wantTotal(t, busy, 5)
		wantTotal(t, sleepy, 5)
		w.die(t)
		for range 3 {
			newWorker(t, dir, "b").count(1).die(t)
			archiveBy(t, busy, keep)
		}
		wantTotal(t, sleepy, 8)
		archiveBy(t, sleepy, keep)
		wantTotal(t, busy, 8)
	}
}

// Property: the same of a file that never lost its name to anybody else.
func TestFileAbsorbedWhileAway(t *testing.T) {
	for _, keep := range []archiver.Options{{}, forgetful} {
		dir := t.TempDir()
		sleepy := follow(t, dir, directory.Options{Archiving: true})
		newWorker(t, dir, "a").count(5).die(t)
		wantTotal(t, sleepy, 5)
		for range 3 {
			archive(t, dir, keep)
			newWorker(t, dir, "b").count(1).die(t)
		}
		wantTotal(t, sleepy, 8)
	}
}

// Property: what only looks like a file of ours is named and left alone; what
// does not even look so is not named; and the others are served.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	newWorker(t, dir, "a").count(2)
	path := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Symlink("/etc/passwd", path("worker-link.pfm")))
	must(t, unix.Mkfifo(path("worker-fifo.pfm"), 0o600))
	must(t, os.Mkdir(path("worker-dir.pfm"), 0o700))
	must(t, os.WriteFile(path("worker-text.pfm"), []byte("text"), 0o600))
	must(t, os.WriteFile(path("worker-empty.pfm"), nil, 0o600))
	must(t, os.WriteFile(path("counter_7.db"), []byte("theirs"), 0o600))
	must(t, os.WriteFile(path("sessions.db"), []byte("theirs"), 0o600))
	d := follow(t, dir, directory.Options{Archiving: true})
	v := wantTotal(t, d, 2)
	for _, name := range []string{"worker-link.pfm", "worker-fifo.pfm", "worker-dir.pfm"} {
		wantProblem(t, v, path(name), mmapstore.ErrNotRegular)
	}
	wantProblem(t, v, path("worker-text.pfm"), mmapstore.ErrNotNative)
	wantProblem(t, v, path("worker-empty.pfm"), mmapstore.ErrNotNative)
	wantProblem(t, v, path("counter_7.db"), mmapstore.ErrTruncated)
	if len(v.Problems) != 6 {
		t.Errorf("problems %v", v.Problems)
	}
	archiveBy(t, d, archiver.Options{})
	entries, err := os.ReadDir(dir)
	if must(t, err); len(entries) != 9 {
		t.Errorf("entries %v", entries)
	}
}

// Property: a copy of a file counts nothing and is named, whatever its name
// sorts like; the original is archived with all it counted until its end.
func TestCopies(t *testing.T) {
	for _, name := range []string{"worker-0.pfm", "worker-z.pfm"} {
		dir := t.TempDir()
		w := newWorker(t, dir, "a").count(2)
		path := filepath.Join(dir, name)
		before := follow(t, dir, directory.Options{Archiving: true})
		wantTotal(t, before, 2)
		copyFile(t, w.Path(), path)
		after := follow(t, dir, directory.Options{Archiving: true})
		w.count(1)
		for _, d := range []*directory.Directory{before, after} {
			v := wantTotal(t, d, 3)
			wantProblem(t, v, path, mmapstore.ErrMalformed)
			archiveBy(t, d, archiver.Options{})
		}
		must(t, os.Remove(w.Path())) // the copy is no substitute
		w.count(1)
		wantTotal(t, before, 4)
		wantTotal(t, after, 4)
		w.count(1).die(t)
		archiveBy(t, before, archiver.Options{})
		wantTotal(t, before, 5)
		wantTotal(t, after, 5)
		wantTotal(t, follow(t, dir, directory.Options{}), 5)
	}
}

// Property: damage costs the damaged part, and is named; what lies before it and
// the other files are served.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	newWorker(t, dir, "a").count(2)
	w := newWorker(t, dir, "b").count(3)
	family, err := w.AddFamily(mmapstore.Family{Name: "lost_total", Type: mmapstore.Counter})
	must(t, err)
	_, err = w.AddSeries(family, "", time.Now())
	must(t, err)
	edit(t, w.Path(), func(b []byte) {
		b[strings.Index(string(b), "lost_total")] = 'X'
	})
	d := follow(t, dir, directory.Options{})
	v := wantTotal(t, d, 5)
	wantProblem(t, v, w.Path(), mmapstore.ErrChecksum)
	for _, f := range v.Files {
		if (f.Damage() != nil) != (f.Path() == w.Path()) {
			t.Errorf("%s: %v", f.Path(), f.Damage())
		}
	}
}

// Property: processes that live at one time have different identities, which
// stay theirs; a restart takes over the one of the dead.
func TestIdentities(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{})
	names := func() (names []string) {
		for _, f := range scan(t, d).Files {
			names = append(names, f.Meta().Identity)
		}
		return names
	}
	a, b := newWorker(t, dir, "1"), newWorker(t, dir, "1")
	first := names()
	if len(first) != 2 || first[0] != "1" || first[1] == "1" || !strings.HasPrefix(first[1], "1-") {
		t.Fatalf("identities %q", first)
	}
	a.die(t)
	newWorker(t, dir, "1")
	now := names()
	if len(now) != 3 || now[0] != "1" || now[1] != first[1] || now[2] != "1" {
		t.Errorf("after a restart %q", now)
	}
	b.die(t)
	other := follow(t, dir, directory.Options{Identities: directory.NewIdentities()})
	if v := scan(t, other); len(v.Files) != 3 {
		t.Errorf("%d files", len(v.Files))
	}
}

// Property: a view stays readable after its Directory was closed, and closing
// both lets go of every descriptor.
func TestViewOutlivesDirectory(t *testing.T) {
	dir := t.TempDir()
	newWorker(t, dir, "a").count(2)
	before := openFiles(t)
	d := directory.New(dir, directory.Options{})
	v := scan(t, d)
	must(t, d.Close())
	if got := total(t, v); got != 2 {
		t.Errorf("total %v", got)
	}
	v.Close()
	v.Close() // again does nothing
	if now := openFiles(t); now != before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
}
