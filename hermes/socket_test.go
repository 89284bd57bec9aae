//go:build linux

package hermes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Property: of datagrams that come while nobody reads, each is either counted or
// known to be dropped, and what the kernel tells of drops elsewhere is the same.
func TestDrops(t *testing.T) {
	s := serve(t, Options{ReceiveBuffer: 1 << 16})
	conn := s.sender()
	const sent = 5000
	for range sent {
		if _, err := conn.Write([]byte(`{"metric_name":"fx_plain_total"}`)); err != nil {
			t.Fatal(err)
		}
	}
	s.pump()
	samples := s.samples()
	counted := number64(t, samples["fx_plain_total"])
	dropped := number64(t, samples["promfold_hermes_packets_dropped_total"])
	if counted+dropped != sent || dropped == 0 || counted == 0 {
		t.Errorf("%v counted and %v dropped of %d", counted, dropped, sent)
	}
	if of := kernelDrops(t, conn.RemoteAddr().(*net.UDPAddr)); float64(of) != dropped {
		t.Errorf("%v dropped; the kernel's table says %d", dropped, of)
	}
	s.send(`{"metric_name":"fx_plain_total"}`)
	s.pump()
	if again := number64(t, s.samples()["promfold_hermes_packets_dropped_total"]); again != dropped {
		t.Errorf("%v dropped, without a loss %v", dropped, again)
	}
}

// kernelDrops is what /proc/net/udp says of a socket.
func kernelDrops(t *testing.T, a *net.UDPAddr) uint64 {
	t.Helper()
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := proc.NetUDP()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sockets {
		if s.LocalPort == uint64(a.Port) && s.LocalAddr.Equal(a.IP) && s.RemPort == 0 {
			return *s.Drops
		}
	}
	t.Fatalf("no socket of %v", a)
	return 0
}

// Property: a unix socket takes the place of one that was left behind, and of nothing
// else; it has the mode that was asked for, and goes when its listener does.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hermes.sock")
	left, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(why string) {
		t.Helper()
		l, err := Listen(Options{Config: fixtureConfig(t), Dir: t.TempDir(), Addresses: []string{"unixgram://" + path}})
		if err == nil {
			l.close()
			t.Errorf("%s: a listener took its place", why)
		}
	}
	refused("somebody listens there")
	if err := left.Close(); err != nil { // the name stays, as after a kill
		t.Fatal(err)
	}
	for query, mode := range map[string]fs.FileMode{"": 0o660, "?mode=0666": 0o666, "?mode=600": 0o600} {
		s := serve(t, Options{Addresses: []string{"unixgram://" + path + query}})
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != fs.ModeSocket|mode {
			t.Errorf("%q: %v, %v", query, info.Mode(), err)
		}
		s.send(`{"metric_name":"fx_plain_total"}`)
		s.run()
		s.stop()
		s.checkTally(map[reason]int{accepted: 1})
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: the name is still there: %v", query, err)
		}
	}
	ends := serve(t, Options{Addresses: []string{"unixgram://" + path}})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	follows := serve(t, Options{Addresses: []string{"unixgram://" + path}})
	ends.run()
	ends.stop()
	follows.send(`{"metric_name":"fx_plain_total"}`) // its name is still there
	follows.run()
	follows.stop()
	follows.checkTally(map[reason]int{accepted: 1})
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a file")
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("a file in its place became %q, %v", b, err)
	}
}

// Property: an address means what it says, or is refused.
func TestAddresses(t *testing.T) {
	for text, want := range map[string]address{
		"127.0.0.1:7789":              {network: "udp", where: "127.0.0.1:7789"},
		"udp://[::1]:0":               {network: "udp", where: "[::1]:0"},
		":7789":                       {network: "udp", where: ":7789"},
		"unixgram:///run/h.sock":      {network: "unixgram", where: "/run/h.sock", mode: 0o660},
		"unixgram:///h?mode=0600":     {network: "unixgram", where: "/h", mode: 0o600},
		"":                            {},
		"localhost":                   {},
		"localhost:":                  {},
		"tcp://localhost:1":           {},
		"unixgram://h.sock":           {},
		"unixgram:///h?mode=0999":     {},
		"unixgram:///h?mode=7777":     {},
		"unixgram:///h?owner=0":       {},
		"unixgram:///h?mode=0600&a=b": {},
	} {
		got, err := parseAddress(text)
		if got != want || (err == nil) != (want.network != "") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// Property: the buffer is what was asked for, which Linux doubles, or as much of it as
// any process may have; root has no limit. What it is is known.
func TestReceiveBuffer(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Fatal(err)
	}
	limit := int(number64(t, strings.TrimSpace(string(text))))
	for _, asked := range []int{1 << 14, 1 << 16, 2 * limit} {
		s := serve(t, Options{ReceiveBuffer: asked})
		want := asked
		if forceReceiveBuffer(anySocket(t), asked) != nil {
			want = min(asked, limit)
		}
		if got := s.sockets[0].buffer; got != 2*want {
			t.Errorf("asked for %d, granted %d, want %d", asked, got, 2*want)
		}
	}
}

func anySocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Property: the log tells of all losses together exactly what was lost, in few lines.
func TestLossesAreLogged(t *testing.T) {
	var log bytes.Buffer
	s := serve(t, Options{ReceiveBuffer: 1 << 14, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	conn := s.sender()
	r := newReader(s.Listener, s.sockets[0])
	const rounds = 5
	for range rounds {
		for range 500 {
			if _, err := conn.Write([]byte(`{"metric_name":"fx_plain_total"}`)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.socket.drain(r.batch, r.count); err != nil {
			t.Fatal(err)
		}
	}
	r.reportLoss(0) // as at the end
	logged, lines := 0.0, regexp.MustCompile(`level=WARN .* dropped .* datagrams=(\d+)`).FindAllStringSubmatch(log.String(), -1)
	for _, l := range lines {
		logged += number64(t, l[1])
	}
	dropped := number64(t, s.samples()["promfold_hermes_packets_dropped_total"])
	if logged != dropped || dropped == 0 || len(lines) >= rounds {
		t.Errorf("%v of %v losses logged, in %d lines of %d rounds:\n%s", logged, dropped, len(lines), rounds, log.String())
	}
}

// Property: options that make no sense and directories that cannot be written to are
// refused, and leave no socket behind.
func TestListenRefuses(t *testing.T) {
	good := func() Options {
		return Options{Config: fixtureConfig(t), Dir: t.TempDir(), Addresses: []string{"127.0.0.1:0"}}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	busy := serve(t, Options{}).sockets[0].local.String()
	for name, spoil := range map[string]func(*Options){
		"no configuration":    func(o *Options) { o.Config = nil },
		"no directory":        func(o *Options) { o.Dir = "" },
		"a file as directory": func(o *Options) { o.Dir = file },
		"an address in use":   func(o *Options) { o.Addresses = []string{"127.0.0.1:0", busy} },
		"no address":          func(o *Options) { o.Addresses = []string{"nowhere"} },
		"a limit of series":   func(o *Options) { o.MaxSeries = -1 },
		"a limit of a packet": func(o *Options) { o.MaxPacketSize = MaxPacketSize + 1 },
		"a limit of a buffer": func(o *Options) { o.ReceiveBuffer = MaxReceiveBuffer + 1 },
	} {
		o := good()
		spoil(&o)
		before := sockets(t)
		if l, err := Listen(o); err == nil {
			l.close()
			t.Errorf("%s: not refused", name)
		}
		if after := sockets(t); after != before {
			t.Errorf("%s: %d sockets were left open", name, after-before)
		}
	}
}

// sockets counts those of this process.
func sockets(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range open {
		var stat unix.Stat_t
		if unix.Stat(fmt.Sprintf("/proc/self/fd/%s", f.Name()), &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFSOCK {
			n++
		}
	}
	return n
}
