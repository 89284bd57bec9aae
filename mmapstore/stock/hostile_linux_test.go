package stock_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
)

// onTmpfs is a directory of the test whose files live in memory.
func onTmpfs(t *testing.T) string {
	t.Helper()
	const shm = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		t.Skipf("%s is no tmpfs here: %v", shm, err)
	}
	dir, err := os.MkdirTemp(shm, "stock-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks
}

// Property: reading a file never makes it take more memory, whatever it claims to
// hold: a gigabyte of nothing, or a value in the hole behind its key. (Reading a
// hole of a tmpfs file through a mapping allocates it.)
func TestReadingAllocatesNoBlocks(t *testing.T) {
	for name, fill := range map[string]func(f *fixture.File){
		"honest": func(f *fixture.File) {
			for i := range 1000 {
				f.Add(fmt.Sprintf(`["x", "x", {"i": "%d"}]`, i), 1, 0)
			}
		},
		"claims": func(f *fixture.File) {
			_ = f.Truncate(1 << 30)
			f.Write(0, u32(1<<30))
		},
		"one entry, then claims": func(f *fixture.File) {
			_ = f.Truncate(1 << 30)
			f.Add(`["x", "x", {}]`, 1, 0)
			f.Write(0, u32(1<<30))
		},
		"more than is mapped": func(f *fixture.File) {
			_ = f.Truncate(3 << 30)
			f.Add(`["x", "x", {}]`, 1, 0)
			f.Write(0, u32(3<<30))
		},
		"a value in a hole": func(f *fixture.File) { // the key ends with its page
			key := `["x", "x", {"i": "`
			key += strings.Repeat("i", 4096-8-4-1-len(key)-len(`"}]`)) + `"}]`
			_ = f.Truncate(8192)
			f.Write(8, append(u32(uint32(len(key))), key+" "...))
			f.Write(0, u32(4096+16))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(onTmpfs(t), "counter_1.db")
			f := fixture.Create(t, path, 4096)
			fill(f)
			before := blocks(t, path)
			r := open(t, path, "counter_1.db")
			for range 2 {
				err := r.Refresh()
				if (err == nil) != (name == "honest") {
					t.Errorf("refresh says %v", err)
				}
				s := r.Schema()
				if err := r.Load(make([]uint64, s.Words)); err != nil && !errors.Is(err, mmapstore.ErrTruncated) {
					t.Errorf("load says %v", err)
				}
			}
			if after := blocks(t, path); after != before {
				t.Errorf("reading grew the file from %d to %d blocks", before, after)
			}
		})
	}
}
