package directory_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
)

// Property: however the paths of the directory and of the archive's are spelled, the
// dead are archived there, counts are exposed, and nothing else is made.
func TestSpellingsOfPaths(t *testing.T) {
	for _, suffix := range []string{"", "/", "//", "/.", "/../dir/"} {
		base := t.TempDir()
		dir, elsewhere := filepath.Join(base, "dir"), filepath.Join(base, "archive")
		for _, path := range []string{dir, elsewhere} {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		d := follow(t, dir+suffix, directory.Options{ArchiveDir: elsewhere + "/sub/", Archiving: true})
		newWorker(t, dir, "1").count(2).die(t)
		newWorker(t, dir, "2").count(3)
		wantTotal(t, d, 5)
		archiveBy(t, d, archiver.Options{})
		wantTotal(t, d, 5)
		var made []string
		for _, path := range []string{elsewhere, filepath.Join(elsewhere, "sub")} {
			entries, err := os.ReadDir(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				made = append(made, e.Name())
			}
		}
		if want := []string{"sub", "archive.pfa", "spare.pfa"}; !slices.Equal(made, want) {
			t.Errorf("%q: made %q, want %q", suffix, made, want)
		}
	}
}
