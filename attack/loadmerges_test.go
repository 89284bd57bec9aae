//go:build attack && linux

package attack_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/rig"
)

// heldMerges is an exporter whose merges wait while the test has the lock of another
// program's archiver.
type heldMerges struct {
	url          string
	lock         *os.File
	joined, left atomic.Int64 // requests that wait for a merge, or have; and that are over
}

// joiningContext tells when it is asked for its end, which a request's is when the
// request has joined a merge.
type joiningContext struct {
	context.Context
	joined func()
}

func (c joiningContext) Done() <-chan struct{} {
	c.joined()
	return c.Context.Done()
}

func holdMerges(t *testing.T) *heldMerges {
	t.Helper()
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	startCrowd(t, dir, 4, 10, 0)
	h := &heldMerges{}
	var err error
	h.lock, err = os.Create(filepath.Join(dir, "lockfile"))
	must(t, err)
	t.Cleanup(func() { _ = h.lock.Close() })
	d := directory.New(dir, directory.Options{})
	t.Cleanup(func() { _ = d.Close() })
	e := exporter.New(exporter.Options{Members: []exporter.Member{{Directory: d}}, Logger: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer h.left.Add(1)
		joined := sync.OnceFunc(func() { h.joined.Add(1) })
		e.ServeHTTP(w, r.WithContext(joiningContext{r.Context(), joined}))
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// heldFor is well below what a merge waits before it goes on without the lock.
const heldFor = 500 * time.Millisecond

// Property: clients that come while a merge is under way share the next one.
func TestLoadShared(t *testing.T) {
	h := holdMerges(t)
	const enough, most, many = 5, 100, 50
	shared, slow := 0, 0
	for shared < enough {
		if slow == most {
			t.Fatal("too slow to tell")
		}
		before, err := mergesSoFar(h.url)
		must(t, err)
		must(t, unix.Flock(int(h.lock.Fd()), unix.LOCK_EX))
		began, joined := time.Now(), h.joined.Load()
		errs := make(chan error, many)
		for range many {
			go func() {
				_, err := mergesSoFar(h.url)
				errs <- err
			}()
		}
		awaitCount(t, "requests under way", &h.joined, joined+many)
		held := time.Since(began) < heldFor
		must(t, unix.Flock(int(h.lock.Fd()), unix.LOCK_UN))
		for range many {
			must(t, <-errs)
		}
		after, err := mergesSoFar(h.url)
		must(t, err)
		if !held {
			slow++
			continue
		}
		if merges := after - before - 1; merges < 1 || merges > 2 { // the last is of the question
			t.Fatalf("%v merges for %v clients at once", merges, many)
		}
		shared++
	}
	t.Logf("%d clients %d times; %d times too slow to tell", many, shared, slow)
}

// Property: a merge whose clients have all hung up is not finished. One that waits
// for another program's archiver shows it.
func TestLoadHungUp(t *testing.T) {
	h := holdMerges(t)
	c := &loadClients{url: h.url}
	const cycles, many = 10, 50
	slow := 0
	for cycle := range int64(cycles) {
		if err := unix.Flock(int(h.lock.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		conns := c.dialMany(t, many)
		awaitCount(t, "requests under way", &h.joined, (cycle+1)*(many+1)-1)
		for _, conn := range conns {
			_ = conn.Close()
		}
		if time.Since(began) > heldFor {
			slow++
		}
		awaitCount(t, "requests given up", &h.left, (cycle+1)*(many+1)-1)
		if err := unix.Flock(int(h.lock.Fd()), unix.LOCK_UN); err != nil {
			t.Fatal(err)
		}
		merges, err := mergesSoFar(h.url)
		if err != nil {
			t.Fatal(err)
		}
		if most := float64(cycle + 1 + 2*int64(slow)); merges > most {
			t.Fatalf("%v merges for %v clients that stayed", merges, cycle+1)
		}
	}
	t.Logf("%d clients hung up, %d stayed; %d times too slow to tell", cycles*many, cycles, slow)
}

func (c *loadClients) dialMany(t *testing.T, n int) (conns []io.Closer) {
	t.Helper()
	for range n {
		conn, err := c.dial(wholeRequest)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	return conns
}

func awaitCount(t *testing.T, what string, n *atomic.Int64, want int64) {
	t.Helper()
	rig.Await(t, patience, func() error {
		if got := n.Load(); got < want {
			return fmt.Errorf("%d %s of %d", got, what, want)
		}
		return nil
	})
}

func mergesSoFar(address string) (float64, error) {
	_, body, err := fetchBody(address, "", false)
	if err != nil {
		return 0, err
	}
	got, err := rig.Parse(string(body))
	return got.Sum("promfold_merge_duration_seconds_count"), err
}
