package mmapstore

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/need"
	"github.com/promfold/promfold/internal/sys"
)

// held is a file that a child made and has open.
func held(t *testing.T) (*child, *Reader) {
	t.Helper()
	c := startChild(t, "hold", t.TempDir())
	return c, mustOpen(t, c.line())
}

// answers is what each probe says alone of a file.
type answers struct{ lock, lease, pid State }

func ask(r *Reader) answers {
	s := Suspect{File: r.File(), Locked: r.header.Locked, Process: &r.header.Process}
	return answers{probeLock(s), probeLease(s), probePID(s)}
}

func assertVerdict(t *testing.T, what string, got Verdict, state State, method Method) {
	t.Helper()
	if got != (Verdict{state, method}) {
		t.Errorf("%s: %v by %s, want %v by %s", what, got.State, got.Method, state, method)
	}
}

// awaitChild waits for a change of the child's state that options name, without
// reaping it.
func awaitChild(t *testing.T, c *child, options int) {
	t.Helper()
	err := sys.RetryEINTR(func() error {
		return unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, options|unix.WNOWAIT, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Property: a process that runs or is stopped is alive to every probe; one that
// is killed is dead to every probe, reaped or not.
func TestProbesFollowLifeAndDeath(t *testing.T) {
	need.Machine(t, "the start time in /proc/self/stat is made up")
	c, r := held(t)
	living := answers{Alive, Alive, Alive}
	if got := ask(r); got != living {
		t.Errorf("running: %v", got)
	}
	assertVerdict(t, "running", r.Probe(), Alive, MethodLock)

	if err := c.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitChild(t, c, unix.WSTOPPED)
	if got := ask(r); got != living {
		t.Errorf("stopped: %v", got)
	}

	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitChild(t, c, unix.WEXITED)
	gone := answers{Dead, Dead, Dead}
	if got := ask(r); got != gone {
		t.Errorf("zombie: %v", got)
	}
	c.kill()
	if got := ask(r); got != gone {
		t.Errorf("reaped: %v", got)
	}
	assertVerdict(t, "reaped", r.Probe(), Dead, MethodLock)
	if got := contents(t, r)["hits_total{}"][0]; got != 1 {
		t.Errorf("the dead left %d, want 1", got)
	}
}

// Property: a closed store is dead though its process lives on, locks or not.
func TestClosedStoreOfLivingProcessIsDead(t *testing.T) {
	need.Machine(t, "the start time in /proc/self/stat is made up")
	c, r := held(t)
	if answer := c.ask("close"); answer != "close <nil>" {
		t.Fatal(answer)
	}
	if got := ask(r); got.pid != Alive {
		t.Fatalf("the process is gone: %v", got)
	}
	assertVerdict(t, "closed", r.Probe(), Dead, MethodLock)
	r.header.Locked = false
	assertVerdict(t, "closed, without locks", r.Probe(), Dead, MethodLease)
}

// Property: a free lock proves nothing of a file that was never locked; the
// other probes answer then.
func TestUnlockedFileFallsToOtherProbes(t *testing.T) {
	need.Machine(t, "the start time in /proc/self/stat is made up")
	c, r := held(t)
	r.header.Locked = false
	assertVerdict(t, "alive, unlocked", r.Probe(), Alive, MethodLease)

	idle := mustOpen(t, writeFile(t, around(nil).bytes())) // nobody writes it
	idle.header.Process = r.header.Process
	assertVerdict(t, "alive, file not open", idle.Probe(), Alive, MethodPID)
	c.kill()
	assertVerdict(t, "dead, unlocked", r.Probe(), Dead, MethodLease)
	assertVerdict(t, "dead, file not open", idle.Probe(), Dead, MethodLease)
}

// Property: the lock speaks for whoever holds it, even if the header names a
// process that is gone.
func TestLockOutweighsHeader(t *testing.T) {
	_, r := held(t)
	r.header.Process.StartTicks++
	if got := ask(r); got != (answers{Alive, Alive, Dead}) {
		t.Errorf("answers %v", got)
	}
	assertVerdict(t, "held by another", r.Probe(), Alive, MethodLock)
}

// Property: a file of any make is alive exactly while a process has it open for
// writing; probing it keeps nobody from opening it.
func TestLeaseFollowsForeignWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counter_1.db")
	if err := os.WriteFile(path, []byte("anything"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, _, err := OpenRegular(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	assertVerdict(t, "nobody yet", Probe(Suspect{File: f}), Dead, MethodLease)
	c := startChild(t, "open", path)
	c.line()
	assertVerdict(t, "open", Probe(Suspect{File: f}), Alive, MethodLease)
	c.kill()
	assertVerdict(t, "killed", Probe(Suspect{File: f}), Dead, MethodLease)
}

// Property: a pid is believed with its start time, in its own boot and
// namespace, and not otherwise.
func TestPIDNeedsItsContext(t *testing.T) {
	need.Machine(t, "the start time in /proc/self/stat is made up")
	c, r := held(t)
	file := r.File()
	for _, row := range []struct {
		name string
		edit func(p *Process)
		want State
	}{
		{"itself", func(*Process) {}, Alive},
		{"used again", func(p *Process) { p.StartTicks-- }, Dead},
		{"other boot", func(p *Process) { p.BootID[0]++ }, CannotTell},
		{"unknown boot", func(p *Process) { p.BootID = [16]byte{} }, CannotTell},
		{"other namespace", func(p *Process) { p.PIDNamespace++ }, CannotTell},
		{"unknown namespace", func(p *Process) { p.PIDNamespace = 0 }, CannotTell},
		{"unknown start", func(p *Process) { p.StartTicks = 0 }, CannotTell},
		{"pid 0", func(p *Process) { p.PID = 0 }, CannotTell},
		{"pid -1", func(p *Process) { p.PID = 1<<32 - 1 }, CannotTell},
		{"pid never used", func(p *Process) { p.PID = 1<<31 - 1 }, Dead},
	} {
		p := r.header.Process
		row.edit(&p)
		if got := probePID(Suspect{File: file, Process: &p}); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
	if got := int(r.header.Process.PID); got != c.cmd.Process.Pid {
		t.Errorf("header names pid %d, want %d", got, c.cmd.Process.Pid)
	}
}

// Property: where no probe can answer, nothing is claimed.
func TestNobodyCanTell(t *testing.T) {
	null, err := os.Open(os.DevNull) // no leases on devices
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	assertVerdict(t, "no evidence", Probe(Suspect{File: null}), CannotTell, MethodNone)
	assertVerdict(t, "unusable evidence", Probe(Suspect{File: null, Process: &Process{PID: 1}}), CannotTell, MethodNone)

	r := mustOpen(t, writeFile(t, around(nil).bytes()))
	r.Close()
	assertVerdict(t, "closed reader", r.Probe(), CannotTell, MethodNone)
}

// Property: another user, who may not lease, is told of life and death by the
// lock, and without it that it cannot be told.
func TestOtherUserIsToldByLock(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "probe")
	copyExecutable(t, exe)
	alive, dead := startChild(t, "hold", dir), startChild(t, "hold", dir)
	paths := []string{alive.line(), dead.line()}
	dead.kill()
	cmd := need.Command(exe, paths...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	c := launch(t, "probe", cmd)
	if got, want := c.line(), "{alive lock} {unknown none}"; got != want {
		t.Errorf("of the living: %s, want %s", got, want)
	}
	if got, want := c.line(), "{dead lock} {unknown none}"; got != want {
		t.Errorf("of the dead: %s, want %s", got, want)
	}
}

// Property: the lock answers across pid namespaces, where the pid says nothing.
func TestOtherPIDNamespaceIsToldByLock(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := need.Command(exe, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	c := launch(t, "hold", cmd) // skips without the privilege
	r := mustOpen(t, c.line())
	if p := r.Header().Process; p.PID != 1 || p.PIDNamespace == ownProcess().PIDNamespace {
		t.Fatalf("the child is %+v", p)
	}
	if got := ask(r); got != (answers{Alive, Alive, CannotTell}) {
		t.Errorf("alive: %v", got)
	}
	c.kill()
	if got := ask(r); got != (answers{Dead, Dead, CannotTell}) {
		t.Errorf("killed: %v", got)
	}
}

func copyExecutable(t *testing.T, to string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// Property: a pid without more is a sign of life where it exists, whosever it is,
// unless it is ours or no process' but a thread's; where it does not, it is a sign
// of death only if it means the same to us.
func TestProbeBarePID(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		t.Fatal(err)
	}
	thread, err := strconv.Atoi(filepath.Base(threads[len(threads)-1]))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %q, %v", threads, err)
	}
	for _, row := range []struct {
		pid  int
		same bool
		want State
	}{
		{1, false, Alive}, {1, true, Alive}, {os.Getppid(), false, Alive}, {os.Getppid(), true, Alive},
		{os.Getpid(), false, CannotTell}, {os.Getpid(), true, Dead}, {thread, false, CannotTell}, {thread, true, Dead},
		{gone.Process.Pid, false, CannotTell}, {gone.Process.Pid, true, Dead}, {0, true, CannotTell}, {-1, true, CannotTell},
	} {
		if got := probePID(Suspect{PID: row.pid, SamePIDNamespace: row.same}); got != row.want {
			t.Errorf("pid %d, same %v: %v, want %v", row.pid, row.same, got, row.want)
		}
	}
}
