//go:build unix

package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/directory"
)

// workerFiles is the paths of the files of processes in a directory.
func workerFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// dump shows the merge of what lies there: files, an archive, directories; a
// bad file costs itself alone.
func TestDump(t *testing.T) {
	dir := t.TempDir()
	count(t, dir, 1)
	closeIt := count(t, dir, 2)
	closeIt()
	wants := func(name string, r result, code int, lines ...string) {
		t.Helper()
		if r.code != code {
			t.Errorf("%s: exit code %d: %s", name, r.code, r.stderr)
		}
		for _, line := range lines {
			if !strings.Contains("\n"+r.stdout, "\n"+line+"\n") {
				t.Errorf("%s: no line %q in:\n%s", name, line, r.stdout)
			}
		}
	}
	wants("directory", run(t, "dump", dir), 0, "jobs_total 3", "busy 1")
	wants("assume alive", run(t, "dump", "--assume-alive", dir), 0, "jobs_total 3", "busy 3")
	wants("files", run(t, append([]string{"dump"}, workerFiles(t, dir)...)...), 0, "jobs_total 3", "busy 1")
	wants("files twice", run(t, append([]string{"dump", dir}, workerFiles(t, dir)...)...), 0, "jobs_total 3", "busy 1")

	if r := run(t, "archive", "--once", "--multiproc.dir="+dir); r.code != 0 || !strings.Contains(r.stdout, "absorbed=1 ") {
		t.Errorf("archive: %+v", r)
	}
	archive := filepath.Join(dir, directory.HiddenName, directory.ArchiveName)
	wants("directory with archive", run(t, "dump", dir), 0, "jobs_total 3")
	wants("without archive", run(t, "dump", "--no-include-archive", dir), 0, "jobs_total 1")
	wants("archive", run(t, "dump", archive), 0, "jobs_total 2")

	bad := filepath.Join(dir, "worker-1-bad.pfm")
	if err := os.WriteFile(bad, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := run(t, "dump", dir)
	wants("bad file", r, 1, "jobs_total 3")
	if strings.Count(r.stderr, bad) != 1 {
		t.Errorf("the bad file is not named, or not once: %s", r.stderr)
	}
}

func TestDumpJSON(t *testing.T) {
	dir := t.TempDir()
	count(t, dir, 2)
	r := run(t, "dump", "--format=json", dir)
	var families []struct {
		Name   string
		Metric []struct{ Counter struct{ Value float64 } }
	}
	if err := json.Unmarshal([]byte(r.stdout), &families); err != nil || r.code != 0 {
		t.Fatalf("%v: %+v", err, r)
	}
	if len(families) != 2 || families[1].Name != "jobs_total" || families[1].Metric[0].Counter.Value != 2 {
		t.Errorf("got %+v", families)
	}
}

// check prints OK for each good file, every fault of the others, and fails if
// there was one.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	count(t, dir, 1)()
	if r := run(t, "archive", "--once", "--multiproc.dir="+dir); r.code != 0 {
		t.Fatalf("archive: %+v", r)
	}
	count(t, dir, 1)
	good := workerFiles(t, dir)[0]
	archive := filepath.Join(dir, directory.HiddenName, directory.ArchiveName)
	want := good + ": OK\n" + archive + ": OK\n"
	if r := run(t, "check", dir); r.code != 0 || r.stdout != want {
		t.Errorf("directory: %+v", r)
	}
	if r := run(t, "check", good, archive); r.code != 0 || r.stdout != want {
		t.Errorf("files: %+v", r)
	}
	if empty := t.TempDir(); run(t, "check", empty).stdout != empty+": OK\n" {
		t.Error("an empty directory is not OK")
	}

	b, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	b[40] ^= 1
	if err := os.WriteFile(archive, b, 0o644); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(dir, "worker-1-bad.pfm")
	if err := os.WriteFile(bad, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := run(t, "check", dir)
	if r.code != 1 || strings.Count(r.stdout, "\n") != 3 ||
		!strings.Contains(r.stdout, good+": OK\n") || !strings.Contains(r.stdout, bad+": ") || !strings.Contains(r.stdout, archive+": ") {
		t.Errorf("damaged: %+v", r)
	}
}

// archive --once waits for another archiver, but not for ever.
func TestArchiveWaits(t *testing.T) {
	dir := t.TempDir()
	lock, err := directory.TryLockDir(dir, false)
	if err != nil || lock == nil {
		t.Fatal(lock, err)
	}
	r := run(t, "archive", "--once", "--timeout=200ms", "--multiproc.dir="+dir)
	if r.code != 1 || !strings.Contains(r.stderr, "lock") || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("held: %+v", r)
	}
	lock.Unlock()
	if r := run(t, "archive", "--once", "--multiproc.dir="+dir); r.code != 0 || !strings.HasPrefix(r.stdout, dir+": commits=") {
		t.Errorf("free: %+v", r)
	}
}
