//go:build attack && linux

package attack_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/worker"
)

func init() {
	roles["birth"] = func() error { return live(countOne) }
	roles["stock-birth"] = func() error { return live(countOneStock) }
}

// What a short-lived process says on its way.
const (
	saysBegun   = 'b' // about to make its file
	saysCounted = 'c' // the increment has returned
)

// The ways to die.
const (
	byExit    = "exit"
	bySuicide = "suicide"
	byMurder  = "murder" // somebody else sends the signal
	byTrace   = "trace"  // somebody holds or kills it between two system calls
)

// live counts one and dies in the way that the arguments say.
func live(count func(dir, slot string, l prometheus.Labels) error) error {
	runtime.LockOSThread() // all of the birth on one thread, for who traces it
	dir, slot, cohort, way := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	death := "own"
	if way == byMurder || way == byTrace {
		death = "murder"
	}
	if _, err := fmt.Fprintf(os.Stdout, "%c%d\n", saysBegun, unix.Gettid()); err != nil {
		return err
	}
	if way == byTrace { // until somebody has us in hand
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return err
		}
	}
	if err := count(dir, slot, prometheus.Labels{"cohort": cohort, "death": death}); err != nil {
		return err
	}
	if _, err := os.Stdout.Write([]byte{saysCounted}); err != nil {
		return err
	}
	switch way {
	case byExit, byTrace:
		os.Exit(0)
	case bySuicide:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	time.Sleep(time.Hour) // somebody kills us
	return nil
}

func countOne(dir, _ string, l prometheus.Labels) error {
	requests := worker.NewCounter(prometheus.CounterOpts{Name: "births_total", Help: "Processes.", ConstLabels: l})
	if _, err := worker.Open(dir, worker.WithFileMode(0o644)); err != nil {
		return err
	}
	requests.Add(1)
	return nil
}

// stockPIDs is how many pids the stock client's processes share.
const stockPIDs = 4

// countOneStock has a pid that no process has: only the file tells who lives.
func countOneStock(dir, slot string, l prometheus.Labels) error {
	f, err := stocktest.Open(filepath.Join(dir, "counter_500000"+slot+".db"))
	if err != nil {
		return err
	}
	key := stocktest.Key("births", "births_total", "Processes.", "cohort="+l["cohort"], "death="+l["death"])
	return f.Add(key, 1) // it stays open until the process is dead
}

// nursery is where processes are born and die, and what they have acknowledged.
type nursery struct {
	t           *testing.T
	role        string
	dir         string
	readers     []*rig.Sidecar
	descriptors []int // of each reader, when nobody had been born

	begun, acked, silent atomic.Int64
	early                atomic.Int64 // killed before they could begin
	took                 atomic.Int64 // nanoseconds, of the lives that ended by themselves
	ended                atomic.Int64 // of these

	mu      sync.Mutex // guards cohorts
	cohorts map[string]tally
}

// tally is a group of processes: how many have acknowledged, how many may have
// counted and did not say so.
type tally struct{ acked, silent int }

// cohort is how many processes count in one series.
const cohort = 100

// raise lets so many processes live, in a number of slots one after the other.
func (n *nursery) raise(lives, slots int) {
	began := time.Now()
	defer n.watchAll()()
	var next atomic.Int64
	var parents sync.WaitGroup
	for slot := range slots {
		parents.Go(func() {
			for !n.t.Failed() {
				i := next.Add(1)
				if i > int64(lives) {
					return
				}
				if err := n.one(slot, int(i)); err != nil {
					n.t.Errorf("life %d: %v", i, err)
				}
			}
		})
	}
	parents.Wait()
	took := time.Since(began)
	n.t.Logf("%d lives in %v, %.0f/s: %d acknowledged, %d killed before they began, %d later and in silence",
		lives, took.Round(time.Second), float64(lives)/took.Seconds(), n.acked.Load(), n.early.Load(), n.silent.Load()-n.early.Load())
}

// one is one life.
func (n *nursery) one(slot, number int) error {
	way := []string{byExit, bySuicide, byMurder}[number%3]
	group := strconv.Itoa(number / cohort)
	command := inRole(n.role, n.dir, strconv.Itoa(slot), group, way)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	var stderr bytes.Buffer
	cmd := exec.Command(command.Args[0], command.Args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), command.Env...), w, &stderr
	n.begun.Add(1)
	began := time.Now()
	err = errors.Join(cmd.Start(), w.Close())
	if err != nil {
		return err
	}
	var said []byte
	if way == byMurder {
		said = n.murder(cmd.Process, r, number)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	said = append(said, rest...)
	_ = cmd.Wait()
	counted := bytes.IndexByte(said, saysCounted) >= 0
	if way != byMurder {
		n.took.Add(int64(time.Since(began)))
		n.ended.Add(1)
		if !counted {
			return fmt.Errorf("%s: %v: %s", way, cmd.ProcessState, &stderr)
		}
	}
	n.note(group, way, counted, len(said) > 0)
	return nil
}

// murder kills a process at a random moment of its life, or of the birth of its
// file.
func (n *nursery) murder(p *os.Process, r io.Reader, number int) (said []byte) {
	if number%2 == 0 {
		said = awaitBirth(r)
	} else if ended := n.ended.Load(); ended > 0 {
		time.Sleep(rand.N(time.Duration(3 * n.took.Load() / ended / 2)))
	}
	_ = p.Kill()
	return said
}

// awaitBirth waits until a process begins to make its file, and a random moment
// more.
func awaitBirth(r io.Reader) (said []byte) {
	said = make([]byte, 1)
	if n, _ := r.Read(said); n == 0 {
		return nil
	}
	wait := moment(2 * time.Millisecond)
	for began := time.Now(); time.Since(began) < wait; { // no sleep is that short
	}
	return said
}

// moment is any of a span, and early more often.
func moment(span time.Duration) time.Duration {
	return time.Duration(float64(span) * rand.Float64() * rand.Float64())
}

func (n *nursery) note(group, way string, counted, begun bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	death := "own"
	if way == byMurder || way == byTrace {
		death = "murder"
	}
	one := n.cohorts[group+" "+death]
	if counted {
		one.acked++
		n.acked.Add(1)
	} else {
		one.silent++
		n.silent.Add(1)
		if !begun {
			n.early.Add(1)
		}
	}
	n.cohorts[group+" "+death] = one
}

// watchAll lets all readers scrape until stop is called.
func (n *nursery) watchAll() (stop func()) {
	var watchers sync.WaitGroup
	quit := make(chan struct{})
	for i, s := range n.readers {
		watchers.Go(func() { n.watch(i, s, quit) })
	}
	return func() {
		close(quit)
		watchers.Wait()
	}
}

// watch scrapes now and then.
func (n *nursery) watch(reader int, s *rig.Sidecar, quit chan struct{}) {
	var seen rig.Monotone
	for scrapes := 1; ; scrapes++ {
		least := float64(n.acked.Load())
		got, err := s.Scrape()
		most := float64(n.begun.Load())
		if err != nil {
			n.t.Errorf("reader %d: %v", reader, err)
			return
		}
		if total := got.Sum("births_total"); total < least || total > most {
			n.t.Errorf("reader %d: %v are counted, %v were acknowledged before and %v begun", reader, total, least, most)
		}
		for _, fault := range seen.Check(got.App()) {
			n.t.Errorf("reader %d: %s", reader, fault)
		}
		select {
		case <-quit:
			n.t.Logf("reader %d: %d scrapes", reader, scrapes)
			return
		case <-time.After(rand.N(200 * time.Millisecond)):
		}
	}
}
