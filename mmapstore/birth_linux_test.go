package mmapstore

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

func init() { roles["births"] = manyBirths }

// manyBirths gives so many files a short life, and puts a sign with the same
// name into another directory before the end of one begins.
func manyBirths() {
	dir, signs, n := os.Args[1], os.Args[2], must(strconv.Atoi(os.Args[3]))
	for range n {
		w := must(Create(dir, WriterOptions{}))
		s := must(w.AddSeries(must(w.AddFamily(counterFamily)), "", time.Now()))
		s.Cells[0].Add(1)
		must(0, os.WriteFile(filepath.Join(signs, filepath.Base(w.Path())), nil, 0o600))
		must(0, w.Close())
	}
}

// birthplace is where children make files and a collector takes them away.
type birthplace struct {
	t          *testing.T
	dir, signs string
	collected  uint64
}

// Property: whoever sees the name of a file sees it locked until its writer
// has begun to give it up, and then with all that was counted. So an archiver
// that collects what is dead, as fast as it can, loses nothing of 2,000 lives;
// though the makers are stopped again and again, wherever they happen to be.
func TestNoNameWithoutLock(t *testing.T) {
	const births = 1000
	root, err := inMemory(t) // where lives are short
	if err != nil {
		root = t.TempDir()
	}
	b := &birthplace{t: t, dir: filepath.Join(root, "files"), signs: filepath.Join(root, "signs")}
	for _, dir := range []string{b.dir, b.signs} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	start := func() *child { return startChild(t, "births", b.dir, b.signs, strconv.Itoa(births)) }
	running := []*child{start(), start()}
	stops := 0
	for i := 0; len(running) > 0; i++ {
		c := running[i%len(running)]
		if stop(t, c) {
			stops++
			b.collect()
			_ = c.cmd.Process.Signal(unix.SIGCONT)
		} else {
			c.kill() // which only reaps it
			running = slices.DeleteFunc(running, func(other *child) bool { return other == c })
		}
	}
	b.collect()
	if left, err := os.ReadDir(b.dir); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if b.collected != 2*births {
		t.Errorf("collected %d counts of %d lives", b.collected, 2*births)
	}
	t.Logf("%d stops", stops)
}

// stop stops a child and waits for that. It reports false if the child has
// come to its end.
func stop(t *testing.T, c *child) bool {
	t.Helper()
	if c.cmd.Process.Signal(unix.SIGSTOP) != nil {
		return false
	}
	const stopped = 5 // CLD_STOPPED of waitid(2)
	for _, options := range []int{unix.WSTOPPED | unix.WEXITED | unix.WNOWAIT, unix.WSTOPPED} {
		var info unix.Siginfo
		err := sys.RetryEINTR(func() error {
			return unix.Waitid(unix.P_PID, c.cmd.Process.Pid, &info, options, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if info.Code != stopped {
			return false
		}
	}
	return true
}

// collect takes what dead files hold and unlinks them.
func (b *birthplace) collect() {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		if IsFileName(e.Name()) {
			b.collectDead(e.Name())
		}
	}
}

func (b *birthplace) collectDead(name string) {
	path := filepath.Join(b.dir, name)
	r, err := Open(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	// The lock alone: a reader of another user and pid namespace has no more.
	if probeLock(Suspect{File: r.File(), Locked: r.Header().Locked}) != Dead {
		return
	}
	if _, err := os.Stat(filepath.Join(b.signs, name)); err != nil {
		b.t.Fatalf("%s tests as dead in the midst of its life: %v", name, err)
	}
	if err := r.Refresh(); err != nil {
		b.t.Fatal(err)
	}
	got := contents(b.t, r)["hits_total{}"]
	if err := os.Remove(path); err != nil || len(got) == 0 {
		b.t.Fatalf("%s holds %v, %v", path, got, err)
	}
	b.collected += got[0]
}
