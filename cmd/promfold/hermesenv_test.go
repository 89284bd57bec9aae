//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// freePort is one that nobody has, of either network. It is below those that systems
// give to who asks for any, so that nobody gets it before it is used.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprint(":", 10_000+rand.IntN(20_000))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer l.Close()
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		defer c.Close()
		return address[1:]
	}
	t.Fatal("no free port")
	return ""
}

// ownHermesDir is where a listener on a port counts that has no directory, until the
// test ends.
func ownHermesDir(t *testing.T, port string) string {
	t.Helper()
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = os.TempDir()
	}
	own := filepath.Join(parent, "promfold-hermes-"+port)
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	return own
}

// Property: with --hermes.env-compat Hermes' variables say where datagrams come, where
// metrics are, which configuration holds and how much is logged. The counts lie in a
// directory that only the user can read, and are there after a restart.
func TestHermesEnvCompat(t *testing.T) {
	config, port, web := hermesFile(t, hermesGood), freePort(t), freePort(t)
	env := []string{"LISTEN_ADDRESS=127.0.0.1", "LISTEN_PORT=" + port, "PROMETHEUS_LISTEN_PORT=" + web, "HERMES_CONFIG_PATH=" + config.path}
	own := ownHermesDir(t, port)
	for n := 1; n <= 2; n++ {
		h := &hermesDaemon{daemon: start(t, env, "--hermes.env-compat")}
		h.dial(1)
		if got := h.conns[0].RemoteAddr().String(); got != "127.0.0.1:"+port {
			t.Errorf("datagrams come to %s", got)
		}
		if got := h.awaitLog(addressField)[1]; !strings.HasSuffix(got, ":"+web) {
			t.Errorf("metrics are at %s", got)
		}
		h.address = "127.0.0.1:" + web
		h.sends(h.conns[0], hermesA)
		h.accepted(n)
		h.wants(fmt.Sprintf(`a_total{q="x"} %d`, n))
		wantMode(t, own, fs.ModeDir|0o700)
		h.stops()
	}

	h := &hermesDaemon{daemon: start(t, append(env, "LOG_LEVEL=ERROR"), "--hermes.env-compat")}
	h.address = "127.0.0.1:" + web
	eventually(t, "an answer", func() bool {
		resp, err := h.client.Get("http://" + h.address + "/-/ready")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	h.signal()
	for line := range h.log {
		t.Errorf("logged %s", line)
	}
	h.ends()
}

// Property: where the directory of --hermes.env-compat should be, somebody else's is not
// counted in, nor one to which a link leads: others could read there, and write.
func TestHermesEnvCompatOwner(t *testing.T) {
	port := freePort(t)
	own := ownHermesDir(t, port)
	for name, value := range map[string]string{
		"LISTEN_ADDRESS": "127.0.0.1", "LISTEN_PORT": port, "HERMES_CONFIG_PATH": hermesFile(t, hermesGood).path,
	} {
		t.Setenv(name, value)
	}
	refused := func() {
		t.Helper()
		wantMistake(t, 1, []string{own}, "--hermes.env-compat", "--web.listen-address=127.0.0.1:0", "--log.level=error")
	}
	t.Run("link", func(t *testing.T) {
		if err := os.Symlink(t.TempDir(), own); err != nil {
			t.Fatal(err)
		}
		refused()
		if err := os.Remove(own); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("other user", func(t *testing.T) {
		need.That(t, os.Geteuid() == 0, "root, for another user's directory", "run the test as root")
		if err := errors.Join(os.Mkdir(own, 0o777), os.Chown(own, 12345, 12345)); err != nil {
			t.Fatal(err)
		}
		refused()
	})
}

// Property: with --hermes.env-compat flags go before variables, which may then be
// anything.
func TestHermesEnvCompatFlags(t *testing.T) {
	config := hermesFile(t, hermesGood)
	for name, env := range map[string][]string{
		"others":  {"LISTEN_ADDRESS=127.0.0.2", "LISTEN_PORT=1", "PROMETHEUS_LISTEN_PORT=1", "LOG_LEVEL=ERROR"},
		"no such": {"LISTEN_ADDRESS=256.0.0.1", "LISTEN_PORT=x", "PROMETHEUS_LISTEN_PORT=70000", "LOG_LEVEL=loud"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hermesDaemon{daemon: start(t, env, "--hermes.env-compat", "--multiproc.dir="+t.TempDir(), "--hermes.config="+config.path,
				"--web.listen-address=127.0.0.1:0", "--hermes.listen-address=127.0.0.1:0", "--log.level=info")}
			h.dial(1) // at the address that it logs
			h.address = h.awaitLog(addressField)[1]
			for _, at := range []string{h.conns[0].RemoteAddr().String(), h.address} {
				if host, port, err := net.SplitHostPort(at); host != "127.0.0.1" || port == "1" {
					t.Errorf("it is at %s, %v", at, err)
				}
			}
			h.sends(h.conns[0], hermesA)
			h.accepted(1)
			h.stops()
		})
	}
}

// Property: a flag goes before its variable, HERMES_CONFIG_PATH before CONFIG_FILE_PATH,
// and this before Hermes' own place. A variable that makes no sense is named, but for
// the level of the log, of which Hermes takes no notice.
func TestHermesEnvCompatOrder(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		env, args []string
		code      int
		want      string
	}{
		"flag":         {[]string{"HERMES_CONFIG_PATH=/b.json", "CONFIG_FILE_PATH=/c.json"}, []string{"--hermes.config=/a.json"}, 1, "/a.json"},
		"variable":     {[]string{"HERMES_CONFIG_PATH=/b.json", "CONFIG_FILE_PATH=/c.json"}, nil, 1, "/b.json"},
		"other":        {[]string{"CONFIG_FILE_PATH=/c.json"}, nil, 1, "/c.json"},
		"none":         {nil, nil, 1, "/etc/hermes/config.json"},
		"no level":     {[]string{"LOG_LEVEL=loud", "CONFIG_FILE_PATH=/c.json"}, nil, 1, "/c.json"},
		"bad port":     {[]string{"LISTEN_PORT=x"}, nil, 2, "LISTEN_PORT"},
		"bad web port": {[]string{"PROMETHEUS_LISTEN_PORT=70000"}, nil, 2, "PROMETHEUS_LISTEN_PORT"},
		"bad address":  {[]string{"LISTEN_ADDRESS=256.0.0.1", "CONFIG_FILE_PATH=" + hermesFile(t, hermesGood).path}, nil, 1, "256.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"HERMES_CONFIG_PATH", "CONFIG_FILE_PATH", "LISTEN_PORT", "LISTEN_ADDRESS", "PROMETHEUS_LISTEN_PORT", "LOG_LEVEL"} {
				t.Setenv(v, "")
			}
			for _, v := range c.env {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			args := append([]string{"--hermes.env-compat", "--multiproc.dir=" + dir}, c.args...)
			if name != "no level" {
				args = append(args, "--log.level=error")
			}
			if r := run(t, args...); r.code != c.code || !strings.Contains(r.stderr, c.want) {
				t.Errorf("exit code %d, want %d; stderr %q, want %q in it", r.code, c.code, r.stderr, c.want)
			}
		})
	}
}
