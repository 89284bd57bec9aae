//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// patience bounds all that the test waits for.
const patience = 30 * time.Second

// reservePort finds a free port and keeps it, without listening, until the test
// ends.
func reservePort(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}

// site is the workers on their common address.
type site struct {
	t       *testing.T
	address string
	client  *http.Client // a connection for each request, so that any worker may get it
	workers []*exec.Cmd
}

func startSite(t *testing.T, n int) *site {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "embedded")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := &site{t: t, address: reservePort(t), client: &http.Client{
		Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
	}}
	dir := t.TempDir()
	for range n {
		cmd := exec.Command(binary, "-listen", s.address)
		cmd.Env = append(os.Environ(), "PROMETHEUS_MULTIPROC_DIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		s.workers = append(s.workers, cmd)
	}
	return s
}

func (s *site) get(path string) (string, error) {
	resp, err := s.client.Get("http://" + s.address + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(body), err
}

// scrape is the values that one worker tells about all, by name and labels.
func (s *site) scrape() map[string]float64 {
	s.t.Helper()
	body, err := s.get("/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	values := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.Metric {
			key := name
			for _, l := range m.Label {
				key += " " + l.GetValue()
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

// await scrapes until n workers live and no dead one waits for the archive.
func (s *site) await(n float64) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := s.get("/metrics"); err != nil {
			continue // nobody listens yet
		}
		if v := s.scrape(); v["promfold_processes live"] == n && v["promfold_processes dead"] == 0 {
			return
		}
	}
	s.t.Fatalf("there are never %v workers: %v", n, s.scrape())
}

// Whichever worker answers shows the requests that all workers have answered,
// dead ones too: before, while and after a killed one is archived.
func TestAnyWorkerAnswersForAll(t *testing.T) {
	s := startSite(t, 3)
	s.await(3)
	answers := make(map[string]int)
	total := 0
	ask := func(n int) {
		t.Helper()
		for range n {
			body, err := s.get("/")
			if err != nil {
				t.Fatal(err)
			}
			answers[body]++
			total++
		}
	}
	check := func() {
		t.Helper()
		for range 20 {
			if got := s.scrape()["http_requests_total 200"]; got != float64(total) {
				t.Fatalf("%v requests are shown, %d were answered", got, total)
			}
		}
	}
	ask(60)
	check()
	victim := s.workers[0]
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // killed
	check()
	ask(60)
	check()
	s.await(2)
	check()
	if len(answers) < 2 {
		t.Logf("one worker got all requests: %v", answers) // up to the kernel
	}
	for _, w := range s.workers[1:] {
		if err := w.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := w.Wait(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.get("/"); !isRefused(err) {
		t.Errorf("somebody still answers: %v", err)
	}
}

func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}
