//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
)

func init() { roles["soak-stock"] = countAsStockClient }

var soakKey = stocktest.Key("soak", "soak_total", "Counted by stock clients.")

// countAsStockClient counts as client_python does, and acknowledges each count.
func countAsStockClient() error {
	f, err := stocktest.Open(filepath.Join(os.Args[1], "counter_"+strconv.Itoa(os.Getpid())+".db"))
	if err != nil {
		return err
	}
	for {
		if err := f.Add(soakKey, 1); err != nil {
			return err
		}
		if _, err := os.Stdout.Write([]byte{1}); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // leaves the processor to others
	}
}

// stockClients are such processes, and what they have acknowledged.
type stockClients struct {
	acked  atomic.Uint64
	living []*rig.Process
	killed int
}

func (s *stockClients) Write(b []byte) (int, error) {
	s.acked.Add(uint64(len(b)))
	return len(b), nil
}

func (s *stockClients) start(t testing.TB, dir string) {
	t.Helper()
	c := inRole("soak-stock", dir)
	c.Stdout = s
	s.living = append(s.living, rig.Start(t, "stock client", c))
}

// kill kills the oldest. What it acknowledged is known then.
func (s *stockClients) kill() {
	s.living[0].Kill()
	s.living = s.living[1:]
	s.killed++
}

// garbage is what a directory may hold that is no business of ours, or is meant to
// look as if it were.
type garbage struct {
	dir    string
	rng    *rand.Rand
	thrown int
	lying  []string
}

// throw puts one thing into the directory, and takes the oldest away if there are
// several.
func (g *garbage) throw() error {
	g.thrown++
	kinds := []func() (string, error){
		func() (string, error) { return g.noise("worker-%d-0123456789abcdef.pfm") },
		func() (string, error) { return g.noise("counter_%d.db") },
		func() (string, error) { return g.noise("histogram_%d.db") },
		func() (string, error) { return g.noise("metric_jobs_total___%d.bin") },
		func() (string, error) { return g.noise("archive-%d.pfa") },
		func() (string, error) { return g.noise(".worker-%d-0123456789abcdef.tmp") },
		func() (string, error) { return g.noise(".promfold/dead-00112233445566778899aabb%08d-counter_1.db") },
		g.cutCopy, g.link, g.fifo, g.directory,
	}
	path, err := kinds[g.rng.IntN(len(kinds))]()
	if err != nil || path == "" {
		return err
	}
	g.lying = append(g.lying, path)
	if len(g.lying) > 5 {
		return g.clear(1)
	}
	return nil
}

// clear takes the oldest away, unless the archiver has.
func (g *garbage) clear(n int) error {
	for _, path := range g.lying[:n] {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	g.lying = g.lying[n:]
	return nil
}

func (g *garbage) path(pattern string) string {
	return filepath.Join(g.dir, fmt.Sprintf(pattern, 2*simulatedPID+g.thrown))
}

// noise is random bytes.
func (g *garbage) noise(pattern string) (string, error) {
	b := make([]byte, g.rng.IntN(100_000))
	for i := range b {
		b[i] = byte(g.rng.Uint32())
	}
	path := g.path(pattern)
	return path, os.WriteFile(path, b, 0o600)
}

// cutCopy is the beginning of a file of a living process, under another name.
func (g *garbage) cutCopy() (string, error) {
	files, err := filepath.Glob(filepath.Join(g.dir, "worker-*.pfm"))
	files = slices.DeleteFunc(files, func(path string) bool { return slices.Contains(g.lying, path) })
	if err != nil || len(files) == 0 {
		return "", err
	}
	b, err := os.ReadFile(files[g.rng.IntN(len(files))])
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // archived meanwhile
	}
	if err != nil {
		return "", err
	}
	path := g.path("worker-%d-fedcba9876543210.pfm")
	return path, os.WriteFile(path, b[:g.rng.IntN(len(b)+1)], 0o600)
}

func (g *garbage) link() (string, error) {
	path := g.path("counter_%d.db")
	return path, os.Symlink("/etc/passwd", path)
}

func (g *garbage) fifo() (string, error) {
	path := g.path("counter_%d.db")
	return path, unix.Mkfifo(path, 0o600)
}

func (g *garbage) directory() (string, error) {
	path := g.path("worker-%d-0123456789abcdef.pfm")
	return path, os.Mkdir(path, 0o700)
}

// churn makes and removes files that only make the listing longer.
func churn(dir string, n int) error {
	for i := range 20 {
		path := filepath.Join(dir, fmt.Sprintf("unrelated-%d-%d", n, i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		defer func() { _ = os.Remove(path) }()
	}
	return nil
}

// reload lets a sidecar read its configuration, which is one of two each time.
func reload(s *rig.Sidecar, config string, n int) error {
	if err := writeConfig(config, n); err != nil {
		return err
	}
	resp, err := http.Post(s.URL()[:len(s.URL())-len("/metrics")]+"/-/reload", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("reload: " + resp.Status)
	}
	return nil
}

func writeConfig(path string, n int) error {
	text := fmt.Sprintf("families:\n  soak_total: {help: \"Told %d times.\"}\n", n)
	return os.WriteFile(path, []byte(text), 0o600)
}
