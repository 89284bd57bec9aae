package main_test

import (
	bin "encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/worker"
)

// blocksIn are the blocks that each file below dir takes.
func blocksIn(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	blocks := make(map[string]int64)
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		err = unix.Lstat(path, &st)
		blocks[path] = st.Blocks
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// inMemory is a directory of the test whose files live in memory.
func inMemory(t *testing.T) string {
	t.Helper()
	const shm = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		t.Skipf("%s is no tmpfs here: %v", shm, err)
	}
	dir, err := os.MkdirTemp(shm, "promfold-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Property: dump, check and scrapes never make a file of a tmpfs take more memory,
// whoever wrote it, and whatever it claims to hold. (Reading a hole through a
// mapping allocates it.)
func TestReadingAllocatesNoBlocks(t *testing.T) {
	dir := inMemory(t)
	s, err := worker.New(dir, worker.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	v := worker.With(s).NewCounterVec(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}, []string{"i"})
	for i := range 3000 {
		v.WithLabelValues(fmt.Sprint(i)).Inc()
	}
	stocktest.Counter(t, dir, "5000001", 2)
	claim := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1<<30); err != nil {
			t.Fatal(err)
		}
	}
	used := bin.NativeEndian.AppendUint32(nil, 1<<30)
	claim("counter_5000002.db", used)
	claim("gauge_all_5000002.db", append(append(used, 0, 0, 0, 0, 29, 0, 0, 0), `["x", "x", {"a": "aaaaaaa"}] `...))
	claim("metric_x___5000002.bin", append(append(used, 0, 0, 0, 0, 4, 0, 0, 0), "a=b "...))
	b, err := os.ReadFile(workerFiles(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	claim("worker-1-0011223344556677.pfm", b[:4096])
	before := blocksIn(t, dir)
	d := serve(t, nil, "--multiproc.dir="+dir, "--no-archive")
	for range 3 {
		run(t, "dump", dir)
		run(t, "check", dir)
		run(t, append([]string{"dump"}, workerFiles(t, dir)...)...)
		d.wants(`jobs_total{i="2999"} 1`, "c_total 2")
	}
	for path, after := range blocksIn(t, dir) {
		if after != before[path] {
			t.Errorf("%s grew from %d to %d blocks", path, before[path], after)
		}
	}
}
