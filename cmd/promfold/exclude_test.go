//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// An excluded directory is meant however it is written, whether or not it exists
// yet; others never are.
func TestMeant(t *testing.T) {
	root := filepath.Join(t.TempDir(), "odd [root]*")
	for _, dir := range []string{"app-a", "app-b", "[c]"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	if err := os.Symlink("app-a", "link"); err != nil {
		t.Fatal(err)
	}
	a := filepath.Join(root, "app-a")
	for _, c := range []struct {
		pattern, dir string
		want         bool
	}{
		{"app-a", "app-a", true},
		{"./app-a/", "app-a", true},
		{a, "app-a", true}, // though a has signs of globs
		{"app-a", a, true},
		{"app-*", a, true},
		{"app-[ac]", "app-a", true},
		{"link", "app-a", true},
		{"app-a", "link", true},
		{"[c]", "[c]", true},
		{"later", "later", true},
		{"later", filepath.Join(root, "later"), true},
		{"lat*", "later", true},
		{"app-b", "app-a", false},
		{"app-[bc]", "app-a", false},
		{"app", "app-a", false},
		{"*", "app-a/below", false},
		{"later", "app-a", false},
		{"link", "app-b", false},
	} {
		if got := meant(c.pattern, c.dir); got != c.want {
			t.Errorf("%q means %q: %v", c.pattern, c.dir, got)
		}
	}
}
