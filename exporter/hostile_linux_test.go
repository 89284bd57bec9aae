package exporter_test

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/fixture"
)

// Property: files and directories that we may not read are counted, and cost
// themselves.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	goodWorkers(t, dir)
	for _, name := range []string{stockAt, rubyAt, nativeAt} {
		if err := os.WriteFile(filepath.Join(dir, name), counters(1).bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	for path := dir; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	good, _ := filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
	for _, path := range good {
		if filepath.Base(path) != nativeAt && os.Chmod(path, 0o644) != nil {
			t.Fatal(path)
		}
	}
	e := newExporter(t, dir)
	asNobody(t, func() {
		if f, err := os.Open(filepath.Join(dir, stockAt)); err == nil {
			f.Close()
			t.Skip("nothing is unreadable to us")
		}
		w := get(e, "/metrics")
		if err := fixture.Valid(w.Body.Bytes()); w.Code != http.StatusOK || err != nil {
			t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
		}
		for _, line := range append(goodLines, `promfold_file_errors{reason="io"} 3`) {
			if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
				t.Errorf("no line %q in\n%s", line, merged(w.Body.Bytes()))
			}
		}
	})
}

// asNobody runs f without the rights of root over files, if we are root: on this
// goroutine, whose thread has another user for what it opens.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(nobody); err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := unix.Setfsuid(0); err != nil {
			panic(err) // the thread is of no use any more
		}
	}()
	f()
}
