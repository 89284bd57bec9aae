package mmapstore

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Property: a temporary file is abandoned if it is old and nobody locks it.
func TestAbandoned(t *testing.T) {
	w := newWriter(t, WriterOptions{}) // a file that is locked, whatever its name
	old := time.Now().Add(-time.Hour)
	temp := writeFile(t, nil)
	assert := func(path string, want bool) {
		t.Helper()
		if got, err := Abandoned(path, time.Minute); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", path, got, err, want)
		}
	}
	assert(temp, false)
	for _, path := range []string{temp, w.Path()} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	assert(temp, true)
	assert(w.Path(), false)
	if _, err := Abandoned(filepath.Join(t.TempDir(), "none"), 0); !os.IsNotExist(err) {
		t.Errorf("absent file: %v", err)
	}
}

// Property: an identity becomes a valid label value or is refused; what Create
// makes, Open takes.
func TestIdentity(t *testing.T) {
	for identity, want := range map[string]string{
		"":        strconv.Itoa(os.Getpid()),
		"web-1":   "web-1",
		"caf\xe9": "caf\uFFFD",
	} {
		w := newWriter(t, WriterOptions{Identity: identity})
		if got := mustOpen(t, w.Path()).Header().Identity; got != want {
			t.Errorf("identity %q is read as %q, want %q", identity, got, want)
		}
	}
}
