//go:build unix

package sys_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openDir(t *testing.T, path string) *sys.Dir {
	t.Helper()
	d, err := sys.OpenDir(path)
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// Property: a Dir stays in the directory that was opened, whatever is put into its
// place, and follows no link in it.
func TestDirStays(t *testing.T) {
	base := t.TempDir()
	in, elsewhere := filepath.Join(base, "in"), filepath.Join(base, "elsewhere")
	must(t, os.Mkdir(in, 0o700))
	must(t, os.Mkdir(elsewhere, 0o700))
	must(t, os.WriteFile(filepath.Join(elsewhere, "file"), []byte("kept"), 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(in, "link")))
	must(t, os.Symlink(filepath.Join(elsewhere, "file"), filepath.Join(in, "filelink")))
	must(t, os.Symlink(filepath.Join(elsewhere, "new"), filepath.Join(in, "dangling")))
	d := openDir(t, in)

	if _, err := d.OpenDir("link"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("open a link as a directory: %v", err)
	}
	for _, name := range []string{"filelink", "dangling"} {
		if _, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); !errors.Is(err, unix.ELOOP) {
			t.Errorf("open %s: %v", name, err)
		}
	}
	for _, name := range []string{"link/file", "../elsewhere/file", "..", "", "/"} {
		if err := d.Remove(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("remove %q: %v", name, err)
		}
	}

	// Somebody swaps the directory for a link.
	must(t, os.Rename(in, in+"-old"))
	must(t, os.Symlink(elsewhere, in))
	must(t, d.Mkdir("sub", 0o700))
	sub, err := d.OpenDir("sub")
	must(t, err)
	defer sub.Close()
	must(t, d.Rename("filelink", sub, "file"))
	must(t, sub.Remove("file"))
	f, err := sub.OpenFile("made", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	must(t, f.Close())
	must(t, sub.Exchange("made", "renamed"))
	f, err = sub.OpenFile("made", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	_, err = f.WriteString("second")
	must(t, errors.Join(err, f.Close()))
	must(t, sub.Exchange("made", "renamed"))
	names, err := sub.Names()
	must(t, err)
	if b, err := os.ReadFile(filepath.Join(in+"-old", "sub", "renamed")); string(b) != "second" {
		t.Errorf("exchanged: %q, %v in %v", b, err, names)
	}
	entries, err := os.ReadDir(elsewhere)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("elsewhere: %v", entries)
	}
	names, err = d.Names()
	must(t, err)
	slices.Sort(names)
	if want := []string{"dangling", "link", "sub"}; !slices.Equal(names, want) {
		t.Errorf("names: %v", names)
	}
}

// Property: what is opened to be written to is a regular file of that one name, and
// nothing else is, nor what has gone since.
func TestOpenSole(t *testing.T) {
	base := t.TempDir()
	must(t, os.WriteFile(filepath.Join(base, "two"), nil, 0o600))
	must(t, os.Link(filepath.Join(base, "two"), filepath.Join(base, "names")))
	must(t, os.Symlink("sole", filepath.Join(base, "link")))
	must(t, unix.Mkfifo(filepath.Join(base, "pipe"), 0o600))
	must(t, os.Mkdir(filepath.Join(base, "directory"), 0o700))
	d := openDir(t, base)
	for range 2 { // made, and found
		f, err := d.OpenSole("sole", os.O_RDWR|os.O_CREATE, 0o600)
		must(t, err)
		must(t, f.Close())
	}
	for _, name := range []string{"two", "names", "link", "pipe", "directory"} {
		if _, err := d.OpenSole(name, os.O_RDWR, 0); !errors.Is(err, sys.ErrNotSole) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.OpenSole("none", os.O_RDWR, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// Property: a listing has each name once, with the inode to which it leads, in a
// directory larger than what is read at once, again and again.
func TestLister(t *testing.T) {
	base := t.TempDir()
	const files = 3000
	want := make(map[string]uint64)
	for i := range files {
		name := fmt.Sprintf("%04d-%s", i, strings.Repeat("x", 100))
		must(t, os.WriteFile(filepath.Join(base, name), nil, 0o600))
		var st unix.Stat_t
		must(t, unix.Lstat(filepath.Join(base, name), &st))
		want[name] = st.Ino
	}
	var dev unix.Stat_t
	must(t, unix.Stat(base, &dev))
	d := openDir(t, base)
	var l sys.Lister
	for range 2 {
		got := make(map[string]uint64)
		must(t, l.Each(d, func(e sys.Entry) {
			if _, twice := got[string(e.Name)]; twice || e.Dev != uint64(dev.Dev) { //nolint:unconvert // types differ between systems
				t.Errorf("%s: twice, or device %d", e.Name, e.Dev)
			}
			got[string(e.Name)] = e.Ino
			if e.Ino == 0 { // the system does not tell
				got[string(e.Name)] = want[string(e.Name)]
			}
		}))
		if !maps.Equal(got, want) {
			t.Errorf("%d names of %d, or other inodes", len(got), len(want))
		}
	}
}

// Property: a Dir that was closed, or given up to a file, does nothing to whatever
// has its descriptor by then.
func TestDirClosed(t *testing.T) {
	d := openDir(t, t.TempDir())
	f := d.File()
	defer f.Close()
	if err := d.Mkdir("made", 0o700); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("mkdir: %v", err)
	}
	if _, err := d.Names(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("names: %v", err)
	}
	if err := d.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("close: %v", err)
	}
	if _, err := f.Stat(); err != nil {
		t.Errorf("the file: %v", err)
	}
}
