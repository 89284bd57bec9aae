//go:build unix

package exporter_test

import (
	"bufio"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/need"
)

// handDir is where the process works that TestHostileHand is.
const handDir = "TEST_HOSTILE_HAND"

// TestHostileHand is the other process of TestBesideHostileHand: it cuts, extends,
// rewrites, replaces and copies files, until its input ends.
func TestHostileHand(t *testing.T) {
	dir := os.Getenv(handDir)
	if dir == "" {
		t.Skip("a part of TestBesideHostileHand")
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	h := hand{dir: dir, rnd: rand.New(rand.NewPCG(uint64(os.Getpid()), 1))}
	h.good, _ = filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
	for _, name := range []string{stockAt, "histogram_5000002.db", "gauge_all_5000003.db", rubyAt, nativeAt, "worker-2-0011223344556677.pfm"} {
		h.files = append(h.files, filepath.Join(dir, name))
	}
	h.files = append(h.files, filepath.Join(dir, ".promfold", "archive.pfa"), filepath.Join(dir, ".promfold", asideName))
	_ = os.Mkdir(filepath.Join(dir, ".promfold"), 0o755)
	for n := 0; ; n++ {
		h.strike()
		if n == 1000 {
			_, _ = os.Stdout.WriteString("at work\n")
		}
	}
}

// hand does one bad thing after the other. What fails, fails.
type hand struct {
	dir         string
	files, good []string
	rnd         *rand.Rand
}

func (h *hand) strike() {
	path := h.files[h.rnd.IntN(len(h.files))]
	switch h.rnd.IntN(12) {
	case 0, 1:
		_ = os.Truncate(path, h.rnd.Int64N(1<<18))
	case 2:
		_ = os.Truncate(path, 1<<(10+h.rnd.IntN(25)))
	case 3:
		_ = os.Remove(path)
	case 4: // the id of a good one; in place it would be a file like any other that counts good_total
		if b, err := os.ReadFile(h.good[h.rnd.IntN(len(h.good))]); err == nil && os.Remove(path) == nil {
			_ = os.WriteFile(path, b, 0o644)
		}
	case 5:
		_ = os.Rename(path, h.files[h.rnd.IntN(len(h.files))])
	case 6:
		_ = os.Link(path, h.files[h.rnd.IntN(len(h.files))])
	case 7, 8:
		h.scribble(path)
	default: // taken up in place, or made
		_ = os.WriteFile(path, h.whole(path), 0o644)
	}
}

// whole is a file that is good by itself.
func (h *hand) whole(path string) []byte {
	name := filepath.Base(path)
	if strings.HasSuffix(name, ".pfm") {
		return counters(byte(h.rnd.Uint32())).bytes()
	}
	b := make([]byte, 8)
	for range h.rnd.IntN(50) {
		b = appendEntry(b, name, key(name), float64(h.rnd.IntN(100)))
	}
	return append(b, make([]byte, 4096)...)
}

// scribble writes bytes in the middle of a file.
func (h *hand) scribble(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	b := native.AppendUint64(nil, h.rnd.Uint64()>>h.rnd.IntN(64))
	_, _ = f.WriteAt(b[:1+h.rnd.IntN(8)], h.rnd.Int64N(1<<h.rnd.IntN(17)))
}

// Property: beside a process that cuts, extends, rewrites, replaces and copies
// files all the time, each scrape is valid and has the good workers as they are,
// and the memory that it takes stays bounded.
func TestBesideHostileHand(t *testing.T) {
	need.Machine(t, "SIGBUS has no address")
	dir := t.TempDir()
	goodWorkers(t, dir)
	e := newExporter(t, dir)
	wantGood(t, e)
	begin, end := startHand(t, dir)
	begin()
	seconds := 3 * time.Second
	if testing.Short() {
		seconds = time.Second
	}
	scrapes, most := 0, uint64(0)
	for deadline := time.Now().Add(seconds); time.Now().Before(deadline) || scrapes < 20; scrapes++ {
		most = max(most, allocated(func() { wantGood(t, e) }))
		if t.Failed() {
			break
		}
	}
	end()
	wantGood(t, e)
	wantGood(t, newExporter(t, dir))
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d scrapes, of which one allocated %d KiB at most; the heap has %d KiB", scrapes, most>>10, m.HeapAlloc>>10)
	if most > 256<<20 || m.HeapAlloc > 256<<20 {
		t.Error("that is too much")
	}
}

// startHand starts the other process. begin waits until it is at work, end until
// it has ended.
func startHand(t *testing.T, dir string) (begin, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := need.Command(exe, "-test.run=^TestHostileHand$")
	cmd.Env = append(os.Environ(), handDir+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		in.Close()
		_ = cmd.Wait()
	}
	t.Cleanup(end)
	return func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "at work" {
				return
			}
		}
		t.Fatal("the other process ended")
	}, end
}
