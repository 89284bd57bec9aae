package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a server of a test's own. It ends with the test. All methods may be
// called by any goroutine; what goes wrong fails the test.
type Server struct {
	t    testing.TB
	exe  string
	opts Options
	dir  string
	port int // 0: none
	bus  int // the port at which nodes of a cluster talk; 0: none

	mu   sync.Mutex // guards proc
	proc *process   // nil before the first start
}

// Start starts a server and waits until it answers.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{t: t, exe: program(t), opts: opts.normal()}
	s.makeDir()
	t.Cleanup(s.end)
	s.firstRun()
	return s
}

// makeDir makes the server's directory. It is not the test's own temporary
// directory, whose path may be longer than the address of a unix socket can be.
func (s *Server) makeDir() {
	s.t.Helper()
	var err error
	if s.dir, err = os.MkdirTemp("", "redis-"); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	if longest := 107; len(s.socket()) > longest {
		s.t.Fatalf("%s: a socket's path has at most %d bytes; set TMPDIR", s.socket(), longest)
	}
	if s.opts.TLS {
		s.makeCertificates()
	}
}

// firstRun takes other ports where those that were free are taken by the time
// that the server binds them.
func (s *Server) firstRun() {
	s.t.Helper()
	var err error
	for range 5 {
		if s.opts.Port {
			s.port, s.bus = freePort(s.t), freePort(s.t)
		}
		if err = os.WriteFile(s.path("redis.conf"), []byte(s.conf()), 0o600); err != nil {
			break
		}
		if err = s.run(); !s.opts.Port || !errors.Is(err, errEnded) {
			break
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// run starts the server and waits until it answers. The caller holds mu, or is
// the only one that knows the server.
func (s *Server) run() error {
	if s.opts.Persist == None {
		_ = os.Remove(s.path("dump.rdb")) // a test's SAVE
	}
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{s.path("redis.conf")}
	if s.opts.Sentinel {
		args = append(args, "--sentinel")
	}
	cmd := exec.Command(s.exe, args...) //nolint:gosec // the server that tests run with
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithTest()
	if s.proc, err = start(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", s.exe, err)
	}
	return s.proc.await(s.ping)
}

// Kill kills the server with SIGKILL and returns once it is dead.
func (s *Server) Kill() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(syscall.SIGKILL)
}

// Restart starts the server again, at the same addresses, with what it has kept,
// and waits until it answers. One that still runs is ended in order before.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(syscall.SIGTERM)
	if err := s.run(); err != nil {
		s.t.Errorf("restart: %v", err)
	}
}

// Pause stops the server as it is: it accepts connections and answers nothing.
func (s *Server) Pause() {
	s.t.Helper()
	s.send(syscall.SIGSTOP)
}

// Resume has a paused server go on.
func (s *Server) Resume() {
	s.t.Helper()
	s.send(syscall.SIGCONT)
}

func (s *Server) send(sig os.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.proc.os.Signal(sig); err != nil {
		s.t.Errorf("%v to the server: %v", sig, err)
	}
}

// stop ends the server by the signal and waits for it; mu is held.
func (s *Server) stop(sig os.Signal) {
	s.t.Helper()
	if s.proc.dead() {
		return
	}
	if err := s.proc.os.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("%v to the server: %v", sig, err)
		return
	}
	select {
	case <-s.proc.done:
	case <-time.After(patience):
		s.t.Errorf("the server outlives %v", sig)
	}
}

// end is the end of the test.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		s.stop(syscall.SIGKILL)
	}
	if s.t.Failed() {
		said, _ := os.ReadFile(s.path("log"))
		s.t.Logf("the server at %s said:\n%s", s.URL(), said)
	}
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) socket() string { return s.path("s") }

// running is the process that runs, or has run last.
func (s *Server) running() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc
}
