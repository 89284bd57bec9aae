//go:build interop && linux

package interop_test

import (
	"bytes"
	"errors"
	"fmt"
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

// user is who runs a process. The zero value is root.
type user struct {
	uid, gid uint32
	groups   []uint32
}

// command is what to start.
type command struct {
	args []string
	dir  string
	env  []string // beside the test's own
	user user
}

// process is a started command, in a process group of its own.
type process struct {
	name string
	cmd  *exec.Cmd
	out  output
	over chan struct{} // closed when the command has ended
	err  error         // of the end; read after over
}

func start(t *testing.T, name string, c command) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(c.args[0], c.args[1:]...), over: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = c.dir, append(os.Environ(), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.WaitDelay = 10 * time.Second // for children that keep the output open
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.user.uid != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.user.uid, Gid: c.user.gid, Groups: c.user.groups}
		p.cmd.Env = append(p.cmd.Env, "HOME="+os.TempDir())
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.over)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said at the end:\n%s", name, p.out.tail(40))
		}
	})
	return p
}

// signal sends to the command, not to its children.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %v to %s: %v", s, p.name, err)
	}
}

// kill kills the whole group and waits.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.over
}

// ended waits for the command to end by itself.
func (p *process) ended(t *testing.T, timeout time.Duration) error {
	t.Helper()
	select {
	case <-p.over:
		if errors.Is(p.err, exec.ErrWaitDelay) {
			return nil
		}
		return p.err
	case <-time.After(timeout):
		t.Fatalf("%s has not ended after %v:\n%s", p.name, timeout, p.out.tail(40))
		return nil
	}
}

// says waits until the output has n matches, and returns the last one's groups.
func (p *process) says(t *testing.T, re *regexp.Regexp, n int, timeout time.Duration) []string {
	t.Helper()
	var found [][]string
	await(t, timeout, func() error {
		if found = re.FindAllStringSubmatch(p.out.String(), -1); len(found) >= n {
			return nil
		}
		select {
		case <-p.over:
			t.Fatalf("%s ended with %v:\n%s", p.name, p.err, p.out.tail(40))
		default:
		}
		return fmt.Errorf("%s has said %v %d times, not %d", p.name, re, len(found), n)
	})
	return found[len(found)-1]
}

// children is the direct children of the command.
func (p *process) children() map[string]bool {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	text, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
	set := make(map[string]bool)
	for _, child := range strings.Fields(string(text)) {
		set[child] = true
	}
	return set
}

// output gathers what a process prints. Its methods may be called by any
// goroutine.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(o.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// await polls until there is no error.
func await(t *testing.T, timeout time.Duration, try func() error) {
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
