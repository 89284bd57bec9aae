//go:build linux

package rig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a command may take for anything that it must do. It is
// generous: other work may have all processors.
const Patience = time.Minute

// User is who runs a process. The zero value is who runs the test.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Command is what to start.
type Command struct {
	Args []string
	Dir  string
	Env  []string // beside the test's own
	User User
	// Stdout gets what the command prints there, all of it before the command
	// counts as ended. Default: Process.Out.
	Stdout io.Writer
	// Stdin gives the command a pipe that ends when Process.Stdin is closed.
	Stdin bool
	// Attr is changed before the start: namespaces, say.
	Attr func(*syscall.SysProcAttr)
}

// Process is a started command, in a process group of its own. Goroutines may
// share it.
type Process struct {
	Name  string
	PID   int
	Out   Output         // what it printed
	Stdin io.WriteCloser // if the Command asked for it

	over chan struct{} // closed when the command has ended
	err  error         // of the end; read after over
}

// Start starts a command, which is killed when the test ends.
func Start(t testing.TB, name string, c Command) *Process {
	t.Helper()
	p, err := start(name, c)
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said at the end:\n%s", name, p.Out.Tail(40))
		}
	})
	return p
}

func start(name string, c Command) (*Process, error) {
	p := &Process{Name: name, over: make(chan struct{})}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = c.Stdout, &p.Out
	if c.Stdout == nil {
		cmd.Stdout = &p.Out
	}
	cmd.WaitDelay = 10 * time.Second // for children that keep the output open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.User.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.User.UID, Gid: c.User.GID, Groups: c.User.Groups}
		cmd.Env = append(cmd.Env, "HOME="+os.TempDir())
	}
	if c.Attr != nil {
		c.Attr(cmd.SysProcAttr)
	}
	if c.Stdin {
		var err error
		if p.Stdin, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.PID = cmd.Process.Pid
	go func() {
		p.err = cmd.Wait()
		// Children that are left keep the group's number from being another's.
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
		close(p.over)
	}()
	return p, nil
}

// Signal sends to the command, not to its children.
func (p *Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.PID, s); err != nil {
		t.Fatalf("signal %v to %s: %v", s, p.Name, err)
	}
}

// Kill kills the whole group and waits. What a command that has ended by itself left
// behind is dead already.
func (p *Process) Kill() {
	p.signalGroup(syscall.SIGKILL)
	<-p.over
}

// signalGroup leaves the group alone once the command is over: its number may be
// another's by then.
func (p *Process) signalGroup(s syscall.Signal) {
	select {
	case <-p.over:
	default:
		_ = syscall.Kill(-p.PID, s)
	}
}

// Ended waits for the command to end by itself.
func (p *Process) Ended(t testing.TB, timeout time.Duration) error {
	t.Helper()
	select {
	case <-p.over:
		if errors.Is(p.err, exec.ErrWaitDelay) {
			return nil
		}
		return p.err
	case <-time.After(timeout):
		t.Fatalf("%s has not ended after %v:\n%s", p.Name, timeout, p.Out.Tail(40))
		return nil
	}
}

// Says waits until the output has n matches, and returns the last one's groups.
func (p *Process) Says(t testing.TB, re *regexp.Regexp, n int, timeout time.Duration) []string {
	t.Helper()
	var found [][]string
	Await(t, timeout, func() error {
		if found = re.FindAllStringSubmatch(p.Out.String(), -1); len(found) >= n {
			return nil
		}
		select {
		case <-p.over:
			t.Fatalf("%s ended with %v:\n%s", p.Name, p.err, p.Out.Tail(40))
		default:
		}
		return fmt.Errorf("%s has said %v %d times, not %d", p.Name, re, len(found), n)
	})
	return found[len(found)-1]
}

// Children is the direct children of the command.
func (p *Process) Children() map[string]bool {
	pid := strconv.Itoa(p.PID)
	text, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	set := make(map[string]bool)
	for _, child := range strings.Fields(string(text)) {
		set[child] = true
	}
	return set
}

// Output gathers what a process prints. Its methods may be called by any
// goroutine.
type Output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Tail is the last lines of it.
func (o *Output) Tail(lines int) string {
	all := strings.Split(strings.TrimSpace(o.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Await polls until there is no error.
func Await(t testing.TB, timeout time.Duration, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(timeout); ; <-tick.C {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", timeout, err)
		}
	}
}
