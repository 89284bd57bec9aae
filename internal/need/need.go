// Package need is for tests that need more than Go. Where that is missing they
// are skipped and say why; in CI, which installs it all, they fail.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// That skips the test unless what it needs is there. how says where it comes from.
func That(t testing.TB, there bool, what, how string) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") != "":
		t.Fatalf("CI must have this: %s", what)
	default:
		t.Skipf("missing: %s (%s)", what, how)
	}
}

// Program is the path of a program that the test needs.
func Program(t testing.TB, name, how string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	That(t, err == nil, name, how)
	return path
}
