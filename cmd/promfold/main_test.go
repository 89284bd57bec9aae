//go:build unix

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "promfold-test")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "promfold")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		log.Printf("%v: %s", err, out)
		return 1
	}
	return m.Run()
}

// patience bounds all that a test waits for.
const patience = 30 * time.Second

// result is what a run of the program came to.
type result struct {
	code           int
	stdout, stderr string
}

// run runs the program to its end, with no directory in its environment.
func run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = cleanEnv()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%q does not end", args)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.ToUpper(name) != "PROMETHEUS_MULTIPROC_DIR" {
			env = append(env, e)
		}
	}
	return env
}

// daemon is a running promfold serve, or archive.
type daemon struct {
	t       *testing.T
	cmd     *exec.Cmd
	scheme  string
	address string
	log     chan string // closed at the end
	client  *http.Client
}

var addressField = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// serve starts the program on a free port and waits until it listens.
func serve(t *testing.T, env []string, args ...string) *daemon {
	t.Helper()
	d := start(t, env, append([]string{"--web.listen-address=127.0.0.1:0"}, args...)...)
	d.address = d.awaitLog(addressField)[1]
	return d
}

// start starts the program.
func start(t *testing.T, env []string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, scheme: "http", log: make(chan string, 1000), client: &http.Client{Timeout: patience}}
	d.cmd = exec.Command(binary, args...)
	d.cmd.Env = append(cleanEnv(), env...)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // in case the test has not ended it
		for range d.log {
		}
		_ = d.cmd.Wait()
	})
	go func() {
		defer close(d.log)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			d.log <- lines.Text()
		}
	}()
	return d
}

// awaitLog waits for a line of the log and returns what matched.
func (d *daemon) awaitLog(re *regexp.Regexp) []string {
	d.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-d.log:
			if !ok {
				d.t.Fatalf("ended without logging %v", re)
			}
			if found := re.FindStringSubmatch(line); found != nil {
				return found
			}
		case <-timeout:
			d.t.Fatalf("never logged %v", re)
		}
	}
}

// get returns status and body.
func (d *daemon) get(path string) (int, string) {
	d.t.Helper()
	resp, err := d.client.Get(d.scheme + "://" + d.address + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// metrics is the body of a scrape that must succeed.
func (d *daemon) metrics() string {
	d.t.Helper()
	status, body := d.get("/metrics")
	if status != http.StatusOK {
		d.t.Fatalf("status %d: %s", status, body)
	}
	return body
}

// wants fails unless all lines are in a scrape.
func (d *daemon) wants(lines ...string) {
	d.t.Helper()
	body := d.metrics()
	for _, line := range lines {
		if !strings.Contains("\n"+body, "\n"+line+"\n") {
			d.t.Errorf("no line %q in:\n%s", line, body)
		}
	}
}

// eventually scrapes until the line is there.
func (d *daemon) eventually(line string) {
	d.t.Helper()
	eventually(d.t, line, func() bool { return strings.Contains("\n"+d.metrics(), "\n"+line+"\n") })
}

// eventually polls until what is waited for has come.
func eventually(t *testing.T, what string, come func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if come() {
			return
		}
	}
	t.Fatalf("%q never comes", what)
}

// signal asks for the end.
func (d *daemon) signal() {
	d.t.Helper()
	d.send(syscall.SIGTERM)
}

func (d *daemon) send(s os.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// ends waits for the end, which must be a good one.
func (d *daemon) ends() {
	d.t.Helper()
	timeout := time.AfterFunc(patience, func() { _ = d.cmd.Process.Kill() })
	defer timeout.Stop()
	for range d.log {
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("ended with %v", err)
	}
}

// count makes the file of a process that counted jobs_total to n. It is closed,
// so dead, when the returned function was called.
func count(t *testing.T, dir string, n float64) (closeIt func()) {
	t.Helper()
	s, err := worker.New(dir, worker.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	f := worker.With(s)
	f.NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(n)
	f.WithMode(worker.LiveSum).NewGauge(prometheus.GaugeOpts{Name: "busy", Help: "Busy."}).Set(n)
	closeIt = func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(closeIt)
	return closeIt
}
