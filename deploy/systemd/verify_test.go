//go:build systemd

package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/need"
)

// fromSystemd finds a program of Debian's package.
func fromSystemd(t *testing.T, program string) string {
	t.Helper()
	return need.Program(t, program, "Debian: apt-get install systemd")
}

// verify asks systemd about the units as they would lie on a machine with promfold
// installed, and gives what it has to say against them (it may have something to
// say about other units of this machine, too).
func verify(t *testing.T, change func(name, unit string) string) string {
	t.Helper()
	analyze := fromSystemd(t, "systemd-analyze")
	root := t.TempDir()
	units := filepath.Join(root, "etc/systemd/system")
	err := errors.Join(
		os.CopyFS(filepath.Join(root, "usr/lib/systemd/system"), os.DirFS("/usr/lib/systemd/system")), // sysinit.target and the like
		os.MkdirAll(units, 0o755),
		os.MkdirAll(filepath.Join(root, "usr/local/bin"), 0o755),
		os.MkdirAll(filepath.Join(root, "bin"), 0o755),
		os.WriteFile(filepath.Join(root, "usr/local/bin/promfold"), nil, 0o755),
		os.WriteFile(filepath.Join(root, "bin/kill"), nil, 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"verify", "--man=no", "--root=" + root}
	for _, name := range []string{"promfold.service", "promfold.socket"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(units, name), []byte(change(name, string(data))), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	out, err := exec.Command(analyze, args...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	var said strings.Builder
	for line := range strings.Lines(string(out)) { // what it ignores it names, and exits with 0
		if strings.Contains(line, "promfold.") {
			said.WriteString(line)
		}
	}
	return said.String()
}

// systemd knows every directive and value of the units.
func TestVerify(t *testing.T) {
	if said := verify(t, func(_, unit string) string { return unit }); said != "" {
		t.Error(said)
	}
}

// A typing error would be found: the check above can fail.
func TestVerifyFindsTypingErrors(t *testing.T) {
	for _, c := range []struct{ name, old, new string }{
		{"promfold.service", "ProtectSystem=", "ProtectSytem="},
		{"promfold.service", "TasksMax=64", "TasksMax=some"},
		{"promfold.service", "@system-service", "@system-services"},
		{"promfold.service", "ExecStart=/usr/local/bin/promfold", "ExecStart=/usr/local/bin/profold"},
		{"promfold.socket", "ListenStream=9500", "ListenStream=port"},
	} {
		said := verify(t, func(name, unit string) string {
			if name != c.name {
				return unit
			}
			if !strings.Contains(unit, c.old) {
				t.Fatalf("%s has no %q", name, c.old)
			}
			return strings.ReplaceAll(unit, c.old, c.new)
		})
		if said == "" {
			t.Errorf("%s: %q was taken", c.name, c.new)
		}
	}
}

// systemd's own measure of what a service may do, from 0 to 10 (here times 10):
// what is left is the network, which it serves.
func TestExposure(t *testing.T) {
	out, err := exec.Command(fromSystemd(t, "systemd-analyze"), "security", "--offline=yes", "--threshold=15", "promfold.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// With --web.systemd-socket promfold serves on the port that systemd holds.
func TestSocketActivation(t *testing.T) {
	activate := fromSystemd(t, "systemd-socket-activate")
	dir := t.TempDir()
	binary := filepath.Join(dir, "promfold")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/promfold").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String() // free a moment from now
	l.Close()
	var log bytes.Buffer
	cmd := exec.Command(activate, "--listen="+address, binary, "serve", "--multiproc.dir="+dir, "--web.systemd-socket")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	body := fetch(t, "http://"+address+"/metrics")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	if !strings.Contains(body, "promfold_build_info") {
		t.Errorf("it served %q\n%s", body, &log)
	}
}

// fetch waits until somebody listens.
func fetch(t *testing.T, url string) string {
	t.Helper()
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil {
			return string(body)
		}
	}
	return ""
}
