//go:build interop && linux

package interop_test

import (
	"os"
	"path/filepath"
	"strings"
)

// stockFiles is how many files of stock clients there are: in the directory, and
// set aside beside the archive.
func stockFiles(dir string) (listed, aside int) {
	return count(dir), count(filepath.Join(dir, ".promfold"))
}

func count(dir string) (n int) {
	entries, _ := os.ReadDir(dir) // the archive's may not be there yet
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".db") || strings.HasSuffix(e.Name(), ".bin") {
			n++
		}
	}
	return n
}

// owners is the pids in the names of the files in the directory.
func owners(dir string) map[string]bool {
	entries, _ := os.ReadDir(dir)
	pids := make(map[string]bool)
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".db"); ok {
			pids[name[strings.LastIndex(name, "_")+1:]] = true
		}
	}
	return pids
}
