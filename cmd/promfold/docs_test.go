//go:build unix

package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const repository = "../.."

// proseFiles are the documents and manifests, by path from the root of the repository.
func proseFiles(t *testing.T, extensions ...string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(repository), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || d.Name() == ".git"):
			return fs.SkipDir
		case d.IsDir() || !slices.Contains(extensions, filepath.Ext(path)):
			return nil
		}
		data, err := os.ReadFile(filepath.Join(repository, path))
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Of the flags that documents and manifests name, those of promfold (they have a
// dot, or are --no-archive) exist.
func TestFlagsOfDocuments(t *testing.T) {
	help, err := exec.Command(binary, "--help-long").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	named := regexp.MustCompile(`--(?:[a-z-]+(?:\.[a-z-]+)+|no-archive)\b`)
	defined := make(map[string]bool)
	for _, flag := range regexp.MustCompile(`--(\[no-\])?[a-z.-]+`).FindAllString(string(help), -1) {
		plain, negatable := strings.CutPrefix(flag, "--[no-]")
		if negatable {
			defined["--"+plain], defined["--no-"+plain] = true, true
		}
		defined[flag] = true
	}
	for path, text := range proseFiles(t, ".md", ".yaml", ".service", ".socket") {
		for _, flag := range named.FindAllString(text, -1) {
			if !defined[flag] {
				t.Errorf("%s: there is no flag %s", path, flag)
			}
		}
	}
}

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names under which the headings of a document can be linked to.
func anchors(text string) map[string]bool {
	found := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		found[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// Links between documents lead somewhere.
func TestLinksOfDocuments(t *testing.T) {
	documents := proseFiles(t, ".md")
	for path, text := range documents {
		for _, m := range link.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(m[1], "#")
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(filepath.Join(repository, to)); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			} else if anchor != "" && !anchors(documents[to])[anchor] {
				t.Errorf("%s: %s has no heading for #%s", path, to, anchor)
			}
		}
	}
}
