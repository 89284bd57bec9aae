package mmapstore

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// onTmpfs is a directory of the test whose files live in memory.
func onTmpfs(t *testing.T) string {
	t.Helper()
	dir, err := inMemory(t)
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// inMemory is onTmpfs, or an error where there is no such place.
func inMemory(t *testing.T) (string, error) {
	const shm = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		return "", fmt.Errorf("%s is no tmpfs here: %w", shm, err)
	}
	dir, err := os.MkdirTemp(shm, "mmapstore-test-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	return dir, err
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks
}

// Property: reading a file never makes it take more memory. (Reading a hole of a
// tmpfs file through a mapping allocates it.)
func TestReadingAllocatesNoBlocks(t *testing.T) {
	w, err := Create(onTmpfs(t), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	families := []int{mustFamily(t, w, counterFamily), mustFamily(t, w, histFamily), mustFamily(t, w, latestFamily)}
	look := func(r *Reader) {
		t.Helper()
		before := blocks(t, w.Path())
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		contents(t, r)
		if _, err := r.Dropped(); err != nil {
			t.Fatal(err)
		}
		r.Probe()
		if faults := Check(w.Path()); len(faults) > 0 {
			t.Fatal(faults)
		}
		if after := blocks(t, w.Path()); after != before {
			t.Fatalf("reading grew the file from %d to %d blocks", before, after)
		}
	}
	r := mustOpen(t, w.Path())
	look(r)
	var gone []Slot
	for i := range 3000 { // through several chunks of schema and cells
		s := mustSeries(t, w, families[i%3], "i", fmt.Sprint(i))
		if i%10 == 0 {
			gone = append(gone, s)
		}
		if i%200 == 0 {
			look(r)
		}
	}
	for _, s := range gone {
		if err := w.Delete(s); err != nil {
			t.Fatal(err)
		}
	}
	look(r)
	look(mustOpen(t, w.Path()))
}

// Property: cells that are said to lie in holes do not make a reader fill them,
// beyond what the file takes anyway.
func TestHolesStayHoles(t *testing.T) {
	f := around(func(f *rawFile) {
		for i := range 500 {
			f.record(2, rawSeries(0, 1<<20+uint64(i)*4096, rawLabels("hole", fmt.Sprint(1000+i))))
		}
	})
	path := onTmpfs(t) + "/worker-1-holes.pfm"
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := f.bytes()
	for _, off := range []int{0, ChunkSize} { // header, schema and the honest cells
		if _, err := file.WriteAt(b[off:off+32768], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	before := blocks(t, path)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Refresh(); !errors.Is(err, ErrMalformed) {
		t.Errorf("cells in holes: %v", err)
	}
	got := contents(t, r)
	if after := blocks(t, path); after > 2*before {
		t.Errorf("reading grew the file from %d to %d blocks", before, after)
	}
	if !slices.Equal(got[beforeKey], []uint64{11, 0}) || !slices.Equal(got[behindKey], []uint64{22, 0}) {
		t.Errorf("honest series are %v and %v", got[beforeKey], got[behindKey])
	}
}

// Property: a file system that is full is an error to the writer, never a signal,
// and the file stays whole. (Needs root, for a tmpfs of its own.)
func TestFullFileSystemIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small tmpfs: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	w, err := Create(dir, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f := mustFamily(t, w, counterFamily)
	var slots []Slot
	for i := 0; ; i++ {
		s, err := w.AddSeries(f, labelsOf(t, "i", fmt.Sprint(i)), goldenHeader.Created)
		if err != nil {
			if Reason(err) != "io" {
				t.Errorf("full: %v", err)
			}
			break
		}
		slots = append(slots, s)
	}
	for range 3 { // it stays an error, and costs no more
		if _, err := w.AddSeries(f, labelsOf(t, "more", "1"), goldenHeader.Created); err == nil {
			t.Error("a full file system took one more")
		}
	}
	for _, s := range slots {
		s.Cells[0].Add(1)
		s.Cells[1].Store(bits(0.5))
	}
	if _, err := Create(dir, WriterOptions{}); err == nil {
		t.Error("a second file fits into a full file system")
	}
	r, err := Open(w.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, r); len(got) != len(slots) || len(slots) < 100 {
		t.Errorf("%d series are read, %d were added", len(got), len(slots))
	}
	if faults := Check(w.Path()); len(faults) > 0 {
		t.Error(faults)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("%d files are left, want 1", len(entries))
	}
}
