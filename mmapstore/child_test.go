package mmapstore

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/need"
)

// Tests of life and death need real processes: the test binary runs itself in
// one of these roles, with the arguments of startChild in os.Args[1:].
var roles = map[string]func(){
	"hold":  holdFile,
	"open":  openForWriting,
	"count": countAndAcknowledge,
	"pairs": setPairs,
	"probe": probeAndTell,

	"publish": addAndCount,
	"follow":  followAndTell,
}

const roleVariable = "MMAPSTORE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		role()
		return
	}
	os.Exit(m.Run())
}

// child is a process in one of the roles.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t testing.TB, role string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return launch(t, role, need.Command(exe, args...))
}

func launch(t testing.TB, role string, cmd *exec.Cmd) *child {
	t.Helper()
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot start a process of this kind here: %v", err)
	}
	c := &child{t, cmd, in, bufio.NewReader(out)}
	t.Cleanup(c.kill)
	return c
}

// line is the next line of what the child says.
func (c *child) line() string {
	c.t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("child said %q, then %v", s, err)
	}
	return strings.TrimSpace(s)
}

// ask sends a line and waits for the answer.
func (c *child) ask(s string) string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, s); err != nil {
		c.t.Fatal(err)
	}
	return c.line()
}

// kill ends the child by SIGKILL and reaps it; again does nothing.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// must is for children, which have no test to fail.
func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	return v
}

// holdFile makes a file, says its name, and keeps it until told otherwise.
func holdFile() {
	w := must(Create(os.Args[1], WriterOptions{FileMode: 0o644}))
	s := must(w.AddSeries(must(w.AddFamily(counterFamily)), "", time.Now()))
	s.Cells[0].Add(1)
	fmt.Println(w.Path())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(in.Text(), w.Close())
	}
}

// openForWriting holds a file open as a client of another make would.
func openForWriting() {
	f := must(os.OpenFile(os.Args[1], os.O_RDWR, 0))
	fmt.Println("open")
	must(io.Copy(io.Discard, os.Stdin))
	f.Close()
}

// probeAndTell answers for files as seen by this process.
func probeAndTell() {
	for _, path := range os.Args[1:] {
		r := must(Open(path))
		locked := r.Probe()
		r.header.Locked = false
		r.header.Process = Process{}
		fmt.Println(locked, r.Probe())
	}
}
