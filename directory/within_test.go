package directory_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// Property: what somebody puts into the place of our own directory, a link to
// another application's say, is named and not followed; it costs neither the scan
// nor what was known before.
func TestImposterOfOurDirectory(t *testing.T) {
	elsewhere := archivedWorld(t)
	id := mmapstore.NewID()
	stocktest.Counter(t, filepath.Join(elsewhere, directory.HiddenName), noPID(1), 70)
	must(t, os.Rename(filepath.Join(elsewhere, directory.HiddenName, "counter_"+noPID(1)+".db"),
		filepath.Join(elsewhere, directory.HiddenName, "dead-"+id.String()+"-counter_"+noPID(1)+".db")))
	imposters := map[string]func(path string) error{
		"link":        func(path string) error { return os.Symlink(filepath.Join(elsewhere, directory.HiddenName), path) },
		"file":        func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"broken link": func(path string) error { return os.Symlink("nowhere", path) },
	}
	for name, plant := range imposters {
		t.Run(name, func(t *testing.T) {
			dir := archivedWorld(t)
			known := follow(t, dir, directory.Options{})
			wantTotal(t, known, 7)
			hidden := filepath.Join(dir, directory.HiddenName)
			must(t, os.Rename(hidden, filepath.Join(t.TempDir(), "moved")))
			must(t, plant(hidden))
			for d, want := range map[*directory.Directory]float64{known: 7, follow(t, dir, directory.Options{}): 2} {
				v := wantTotal(t, d, want)
				if len(v.Problems) == 0 {
					t.Error("no problem is named")
				}
				for _, p := range v.Problems {
					if !errors.Is(p.Err, mmapstore.ErrNotRegular) {
						t.Errorf("problem: %v", p.Err)
					}
				}
			}
		})
	}
}
