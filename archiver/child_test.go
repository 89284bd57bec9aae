package archiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// The test binary runs itself in one of these roles, with the arguments of
// startChild in os.Args[1:]: kills need real processes.
var roles = map[string]func(){
	"round": roundUntil,
	"run":   runUntilKilled,
	"few":   onceWithFewDescriptors,

	"tally":   tally,
	"scrape":  answerScrapes,
	"serve":   serveAndArchive,
	"archive": archiveUntil,
}

var bg = context.Background()

const roleVariable = "ARCHIVER_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		role()
		return
	}
	os.Exit(m.Run())
}

// roundUntil does one round and kills itself at a step.
func roundUntil() {
	d := directory.New(os.Args[1], directory.Options{Archiving: true})
	a := New(d, Options{Interval: 10 * time.Millisecond, step: func(s Step) {
		if string(s) == os.Args[2] {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	check(a.Once(context.Background()))
}

// onceWithFewDescriptors archives where fewer files can be open than there are.
func onceWithFewDescriptors() {
	check(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 400, Max: 400}))
	d := directory.New(os.Args[1], directory.Options{Archiving: true})
	check(New(d, Options{Interval: time.Millisecond}).Once(context.Background()))
}

// runUntilKilled archives, and says so when it holds the directory.
func runUntilKilled() {
	a := New(directory.New(os.Args[1], directory.Options{Archiving: true}), Options{Interval: 10 * time.Millisecond})
	go func() {
		for !a.Stats().Active {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("active")
	}()
	check(a.Run(context.Background()))
}

// check is for children, which have no test to fail.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
}

type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t testing.TB, role string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	c := &child{cmd: exec.Command(exe, args...)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	c.out = bufio.NewReader(out)
	must(t, c.cmd.Start())
	t.Cleanup(c.kill)
	return c
}

// kill ends the child by SIGKILL and reaps it; again does nothing.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// wait reports whether the child was killed rather than left.
func (c *child) wait(t testing.TB) (killed bool) {
	t.Helper()
	err := c.cmd.Wait()
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal() == syscall.SIGKILL
	}
	must(t, err)
	return false
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counting makes the file of a worker that has counted n in c_total.
func counting(t testing.TB, dir string, n uint64) *mmapstore.Writer {
	t.Helper()
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{})
	must(t, err)
	family, err := w.AddFamily(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
	must(t, err)
	slot, err := w.AddSeries(family, "", time.Now())
	must(t, err)
	slot.Cells[0].Add(n)
	t.Cleanup(func() { w.Close() })
	return w
}

func dead(t testing.TB, dir string, n uint64) string {
	t.Helper()
	w := counting(t, dir, n)
	must(t, w.Close())
	return w.Path()
}

// exposed is what somebody who has never looked before finds in c_total.
func exposed(t testing.TB, dir string) float64 {
	t.Helper()
	d := directory.New(dir, directory.Options{})
	defer d.Close()
	return exposedBy(t, d)
}

func exposedBy(t testing.TB, d *directory.Directory) float64 {
	t.Helper()
	v, err := d.Scan(context.Background())
	must(t, err)
	defer v.Close()
	r, err := aggregate.NewMerger(nil).Merge(v.Sources())
	must(t, err)
	for _, f := range r.Metrics() {
		if f.GetName() == "c_total" {
			return f.Metric[0].Counter.GetValue()
		}
	}
	return 0
}

// once lets an archiver that knows nothing do a round.
func once(t testing.TB, dir string, o Options) (Stats, error) {
	t.Helper()
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a := New(d, o)
	err := a.Once(ctx)
	return a.Stats(), err
}

func mustOnce(t testing.TB, dir string) Stats {
	t.Helper()
	stats, err := once(t, dir, Options{Interval: 10 * time.Millisecond})
	must(t, err)
	return stats
}

// names lists what is in dir and its hidden directory.
func names(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil // gone while we looked
		}
		return err
	}))
	slices.Sort(all)
	return all
}

// allArchived: nothing is there but archive and spare. Beside a commit other
// pairs of files may be there for a moment.
func allArchived(t testing.TB, dir string) bool {
	return slices.Equal(names(t, dir), []string{".promfold/archive.pfa", ".promfold/spare.pfa"})
}

// eventually waits for what other goroutines or processes bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}
