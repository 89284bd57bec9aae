//go:build image

package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// checkOut writes the tree of the last commit into a new directory: what is built
// is what others get, without the leftovers and changes of this work tree.
func checkOut(t *testing.T) string {
	t.Helper()
	archive := exec.Command("git", "archive", "--format=tar", "HEAD")
	archive.Dir = repository
	out, err := archive.Output()
	if err != nil {
		skip(t, "no git repository to take the tree from: "+err.Error())
	}
	dir := t.TempDir()
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		data, err := io.ReadAll(r)
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, h.FileInfo().Mode()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// prune removes what .dockerignore names: an engine would not see it.
func prune(t *testing.T, tree string) {
	t.Helper()
	f, err := os.Open(filepath.Join(tree, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(tree, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(tree, path) // both begin with tree
		if match, err := ignored.MatchesOrParentMatches(name); err != nil || !match {
			return err
		}
		return os.Remove(path)
	})
	if err != nil {
		t.Fatal(err)
	}
}
