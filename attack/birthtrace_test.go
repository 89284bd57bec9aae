//go:build attack && linux

package attack_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/need"
)

// Property: a process that is held up at the entry or the exit of any one system
// call on its way from nothing to its first count, until an archiver in another
// pid namespace has looked twice at what is there, is counted exactly once. One
// that is killed there is counted once if it had acknowledged, at most once if not.
func TestBirthCallByCall(t *testing.T) {
	for role, least := range map[string]int{"birth": 50, "stock-birth": 20} { // there are some 100 and 30
		t.Run(role, func(t *testing.T) {
			n := newNursery(t, role)
			stop := n.watchAll()
			var calls []int
			for _, kill := range []bool{false, true} {
				calls = append(calls, n.eachCall(kill))
			}
			stop()
			n.settle()
			for i, s := range n.readers {
				n.check(i, s.Scraped(t))
			}
			if slices.Min(calls) < least {
				t.Errorf("held and killed at %d stops", calls)
			}
			logUnlessFailed(t, "held at %d stops, killed at %d", calls[0], calls[1])
		})
	}
}

// eachCall lets processes live that are held up at their first stop, at their
// second and so on, until one has no more stops.
func (n *nursery) eachCall(kill bool) (calls int) {
	var mu sync.Mutex // guards next and over
	next, over := 1, false
	var parents sync.WaitGroup
	for slot := range stockPIDs {
		parents.Go(func() {
			for !n.t.Failed() {
				mu.Lock()
				at, done := next, over
				next++
				mu.Unlock()
				if done {
					return
				}
				reached, err := n.traced(slot, at, kill)
				if err != nil {
					n.t.Errorf("at stop %d: %v", at, err)
				}
				mu.Lock()
				over = over || !reached
				if reached {
					calls = max(calls, at)
				}
				mu.Unlock()
			}
		})
	}
	parents.Wait()
	return calls
}

// traced is a life that is held up at one stop. It reports whether the life had
// so many.
func (n *nursery) traced(slot, at int, kill bool) (reached bool, err error) {
	group := fmt.Sprintf("stop-%d-killed-%t", at, kill)
	command := inRole(n.role, n.dir, strconv.Itoa(slot), group, byTrace)
	cmd := exec.Command(command.Args[0], command.Args[1:]...)
	cmd.Env = append(os.Environ(), command.Env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer r.Close()
	cmd.Stdout = w
	n.begun.Add(1)
	if err := errors.Join(cmd.Start(), w.Close()); err != nil {
		return false, err
	}
	out := bufio.NewReader(r)
	line, err := out.ReadString('\n')
	if err != nil {
		return false, err
	}
	thread, err := strconv.Atoi(strings.Trim(line, "b\n"))
	if err != nil {
		return false, err
	}
	reached, err = n.hold(thread, at, in, func() {
		if kill {
			_ = cmd.Process.Kill()
		} else {
			n.twoRounds()
		}
	})
	if err != nil {
		_ = cmd.Process.Kill()
	}
	said, readErr := io.ReadAll(out)
	_ = cmd.Wait()
	counted := strings.IndexByte(string(said), saysCounted) >= 0
	if !kill && !counted && err == nil {
		err = fmt.Errorf("it did not count: %v", cmd.ProcessState)
	}
	n.note(group, byTrace, counted, true)
	return reached, errors.Join(err, readErr)
}

// hold traces one thread, which waits to be told to go, up to a stop, calls there
// and lets go.
func (n *nursery) hold(thread, at int, in io.Writer, there func()) (reached bool, err error) {
	runtime.LockOSThread() // tracing is a matter between threads
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(thread); err != nil {
		need.That(n.t, !errors.Is(err, unix.EPERM), "ptrace", "run the test as root")
		return false, err
	}
	if err := unix.PtraceInterrupt(thread); err != nil {
		return false, err
	}
	stops := 0
	for first := true; ; first = false {
		var status unix.WaitStatus
		_, err := unix.Wait4(thread, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("wait: %w", err)
		}
		if status.Exited() || status.Signaled() {
			return false, nil
		}
		deliver := 0
		if s := status.StopSignal(); s == syscall.SIGTRAP {
			if !first {
				stops++
			}
		} else {
			deliver = int(s)
		}
		if stops == at {
			there()
			return true, ignoreDead(unix.PtraceDetach(thread))
		}
		if err := unix.PtraceSyscall(thread, deliver); err != nil {
			return false, ignoreDead(err)
		}
		if first {
			if _, err := in.Write([]byte{'\n'}); err != nil {
				return false, err
			}
		}
	}
}

func ignoreDead(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// twoRounds waits until the archiver has looked twice.
func (n *nursery) twoRounds() {
	seen := make(map[float64]bool)
	for deadline := time.Now().Add(patience); len(seen) < 3 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got, err := n.readers[0].Scrape(); err == nil {
			seen[got.Sum("promfold_archive_last_round_timestamp_seconds")] = true
		}
	}
	if len(seen) < 3 {
		n.t.Error("the archiver makes no rounds")
	}
}
