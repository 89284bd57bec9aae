//go:build image

package image

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

const uid, gid = 65532, 65532 // USER of the image

// running is what an engine would have started of an image: its entry point, as
// its user, in its working directory, with its environment.
type running struct {
	cmd  *exec.Cmd
	log  *bufio.Reader
	said strings.Builder // what was read of the log
}

// start adds to environment and arguments of the image. Without a network it has
// the machine's.
func (b *built) start(t *testing.T, n *network, env []string, args ...string) *running {
	t.Helper()
	if u := last[*instructions.UserCommand](t, b.done).User; u != fmt.Sprintf("%d:%d", uid, gid) {
		t.Fatalf("USER %s: this test runs as %d:%d", u, uid, gid)
	}
	entry := last[*instructions.EntrypointCommand](t, b.done).CmdLine
	cmd := exec.Command(entry[0], slices.Concat(entry[1:], args)...)
	cmd.Dir, cmd.Env = b.workdir, slices.Concat(b.env, env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: b.root, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := cmd.Start
	if n != nil {
		start = func() error { return n.do(cmd.Start) }
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // its log ends, and the test says so
	t.Cleanup(func() {
		hangs.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &running{cmd: cmd, log: bufio.NewReader(stderr)}
}

// webAddress is where it serves.
var webAddress = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// says reads the log until it has a match, and returns the group.
func (r *running) says(t *testing.T, what *regexp.Regexp) string {
	t.Helper()
	for {
		if m := what.FindStringSubmatch(r.said.String()); m != nil {
			return m[1]
		}
		line, err := r.log.ReadString('\n')
		r.said.WriteString(line)
		if err != nil {
			t.Fatalf("it does not say %v: %v\n%s", what, err, &r.said)
		}
	}
}

// stop ends it in good order.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(r.log)
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s%s", err, &r.said, rest)
	}
}
