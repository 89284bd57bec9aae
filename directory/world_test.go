package directory_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// worker is a process that counts, as far as files tell.
type worker struct {
	*mmapstore.Writer
	slot mmapstore.Slot
}

func newWorker(t testing.TB, dir, identity string) *worker {
	t.Helper()
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	family, err := w.AddFamily(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
	if err != nil {
		t.Fatal(err)
	}
	slot, err := w.AddSeries(family, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return &worker{w, slot}
}

func (w *worker) count(n uint64) *worker { w.slot.Cells[0].Add(n); return w }

// die ends the worker: to every probe it is dead.
func (w *worker) die(t testing.TB) *worker {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

func follow(t testing.TB, dir string, o directory.Options) *directory.Directory {
	d := directory.New(dir, o)
	t.Cleanup(func() { d.Close() })
	return d
}

func scan(t testing.TB, d *directory.Directory) *directory.View {
	t.Helper()
	v, err := d.Scan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// total is what c_total comes to in a merge from scratch.
func total(t testing.TB, v *directory.View) float64 {
	t.Helper()
	r, err := aggregate.NewMerger(nil).Merge(v.Sources())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Metrics() {
		if f.GetName() == "c_total" {
			return f.Metric[0].Counter.GetValue()
		}
	}
	return 0
}

func wantTotal(t testing.TB, d *directory.Directory, want float64) *directory.View {
	t.Helper()
	v := scan(t, d)
	if got := total(t, v); got != want {
		t.Fatalf("total %v, want %v; problems %v", got, want, v.Problems)
	}
	return v
}

// wantProblem asserts that the view names the path, for the kind of reason.
func wantProblem(t testing.TB, v *directory.View, path string, kind error) {
	t.Helper()
	for _, p := range v.Problems {
		if p.Path == path && errors.Is(p.Err, kind) {
			return
		}
	}
	t.Errorf("%s is not named for %v, but %v", path, kind, v.Problems)
}

// archive lets an archiver that knows nothing yet do a round.
func archive(t testing.TB, dir string, o archiver.Options) {
	t.Helper()
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	archiveBy(t, d, o)
}

func archiveBy(t testing.TB, d *directory.Directory, o archiver.Options) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := archiver.New(d, o).Once(ctx); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o640); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes a file in place.
func edit(t testing.TB, path string, change func([]byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	change(b)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(b, 0)
	must(t, err)
}

func archivePath(dir string) string {
	return filepath.Join(dir, directory.HiddenName, directory.ArchiveName)
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}
