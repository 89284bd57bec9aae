//go:build unix

package main_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const hermesGood = `{
	"counters": [{"metric_name": "a_total", "metric_description": "A.", "labels": ["q"]}, {"metric_name": "gone_total"}],
	"gauges": [{"metric_name": "g"}]}`

// Datagrams for hermesGood, and for what comes after it.
const (
	hermesA    = `{"metric_name": "a_total", "payload": {"labels": {"q": "x"}}}`
	hermesGone = `{"metric_name": "gone_total"}`
	hermesNext = `{"metric_name": "next_total"}`
	hermesSet  = `{"metric_name": "g", "payload": {"operation": "set", "value": 5}}`
	hermesMore = `{"metric_name": "g", "payload": {"operation": "increment"}}`
)

// hermesFile makes a configuration.
func hermesFile(t *testing.T, text string) *configFile {
	t.Helper()
	c := &configFile{t, filepath.Join(t.TempDir(), "hermes.json")}
	c.write(text)
	return c
}

var listeningForHermes = regexp.MustCompile(`msg="Listening for Hermes datagrams" address=(\S+) network=(\S+)`)

// hermesDaemon is a daemon with a listener.
type hermesDaemon struct {
	*daemon
	conns []net.Conn // to its addresses, in their order
}

// serveHermes starts the program with a listener on each of the addresses.
func serveHermes(t *testing.T, c *configFile, addresses []string, args ...string) *hermesDaemon {
	t.Helper()
	args = append(args, "--web.listen-address=127.0.0.1:0", "--hermes.config="+c.path)
	for _, a := range addresses {
		args = append(args, "--hermes.listen-address="+a)
	}
	h := &hermesDaemon{daemon: start(t, nil, args...)}
	h.dial(len(addresses))
	h.address = h.awaitLog(addressField)[1]
	return h
}

// dial connects to the next addresses in the log.
func (h *hermesDaemon) dial(n int) {
	h.t.Helper()
	for range n {
		found := h.awaitLog(listeningForHermes)
		c, err := net.Dial(found[2], found[1])
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { c.Close() })
		h.conns = append(h.conns, c)
	}
}

func (h *hermesDaemon) sends(c net.Conn, datagrams ...string) {
	h.t.Helper()
	for _, d := range datagrams {
		if _, err := c.Write([]byte(d)); err != nil {
			h.t.Fatal(err)
		}
	}
}

// accepted waits until so many datagrams were accepted.
func (h *hermesDaemon) accepted(n int) {
	h.t.Helper()
	h.eventually(fmt.Sprint("promfold_hermes_packets_accepted_total ", n))
}

func (h *hermesDaemon) stops() {
	h.t.Helper()
	h.signal()
	h.ends()
}

var udpAny = []string{"127.0.0.1:0"}

// Property: what is wrong with the command line ends it with code 2, what is wrong
// with the configuration, the environment or an address with code 1, each in one line
// that names it: a configuration by file, entry and reason.
func TestHermesMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hermes.json")
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	on := []string{"--multiproc.dir=" + dir, "--web.listen-address=127.0.0.1:0", "--hermes.config=" + path, "--hermes.listen-address=127.0.0.1:0"}
	for name, c := range map[string]struct {
		config string // hermesGood if it is ""
		args   []string
		code   int
		want   []string
	}{
		"no file":       {"", []string{"--multiproc.dir=" + dir, "--hermes.config=" + path + "x"}, 1, []string{path + "x"}},
		"no JSON":       {"{\n\"gauges\": [}", on, 1, []string{path, "line 2"}},
		"bad name":      {`{"counters": [{"metric_name": "a_total"}, {"metric_name": "b c"}]}`, on, 1, []string{path, "counters[1] (b c)", "metric_name"}},
		"no name":       {`{"gauges": [{}]}`, on, 1, []string{path, "gauges[0]", "metric_name"}},
		"bad buckets":   {`{"histograms": [{"metric_name": "h", "buckets": [2, 1]}]}`, on, 1, []string{path, "histograms[0] (h)", "buckets"}},
		"bad mode":      {`{"gauges": [{"metric_name": "g", "mode": "most"}]}`, on, 1, []string{path, "gauges[0] (g)", "mode", "most"}},
		"bad label":     {`{"summaries": [{"metric_name": "s", "labels": ["a b"]}]}`, on, 1, []string{path, "summaries[0] (s)", "a b"}},
		"twice":         {`{"counters": [{"metric_name": "a"}], "gauges": [{"metric_name": "a"}]}`, on, 1, []string{path, "a"}},
		"wrong type":    {`{"counters": [{"metric_name": "a", "labels": "q"}]}`, on, 1, []string{path, "counters[0] (a)", "labels"}},
		"own name":      {`{"counters": [{"metric_name": "promfold_x"}]}`, on, 1, []string{path, "promfold_x"}},
		"busy address":  {"", append(on, "--hermes.listen-address="+busy.LocalAddr().String()), 1, []string{busy.LocalAddr().String()}},
		"no such place": {"", append(on, "--hermes.listen-address=unixgram://"+dir+"/x/s"), 1, []string{dir + "/x/s"}},
		"address alone": {"", []string{"--multiproc.dir=" + dir, "--hermes.listen-address=127.0.0.1:0"}, 2, []string{"--hermes.config"}},
		"dir alone":     {"", []string{"--multiproc.dir=" + dir, "--hermes.dir=" + dir}, 2, []string{"--hermes.config"}},
		"no directory":  {"", on[1:], 2, []string{"--hermes.dir"}},
		"no series":     {"", append(on, "--hermes.max-series=0"), 2, []string{"--hermes.max-series"}},
		"no packets":    {"", append(on, "--hermes.max-packet-size=0"), 2, []string{"--hermes.max-packet-size"}},
		"no buffer":     {"", append(on, "--hermes.receive-buffer=-1"), 2, []string{"--hermes.receive-buffer"}},
		"other network": {"", append(on, "--hermes.listen-address=tcp://127.0.0.1:1"), 2, []string{"tcp://127.0.0.1:1"}},
		"no port":       {"", append(on, "--hermes.listen-address=127.0.0.1"), 2, []string{"127.0.0.1"}},
		"relative":      {"", append(on, "--hermes.listen-address=unixgram://s"), 2, []string{"unixgram://s"}},
		"mode of none":  {"", append(on, "--hermes.listen-address=unixgram:///s?mode=rw"), 2, []string{"mode"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.config
			if text == "" {
				text = hermesGood
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			wantMistake(t, c.code, c.want, append(c.args, "--log.level=error")...)
		})
	}
}

// wantMistake runs the program, which must end with the code and one line that names
// all that is wanted.
func wantMistake(t *testing.T, code int, want []string, args ...string) {
	t.Helper()
	r := run(t, args...)
	if r.code != code || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("exit code %d, want %d, and one line; stderr %q", r.code, code, r.stderr)
	}
	for _, w := range want {
		if !strings.Contains(strings.ReplaceAll(r.stderr, `\`, ""), w) {
			t.Errorf("stderr %q, want %q in it", r.stderr, w)
		}
	}
}

// Property: all addresses are received on, of either kind, beside other files.
// What was counted survives the end, in a directory of its own as well.
func TestHermesAddresses(t *testing.T) {
	config, dir, own := hermesFile(t, hermesGood), t.TempDir(), filepath.Join(t.TempDir(), "made", "late")
	h := serveHermes(t, config, []string{"127.0.0.1:0", "udp://127.0.0.1:0", "unixgram://" + filepath.Join(t.TempDir(), "s")},
		"--multiproc.dir="+dir, "--hermes.dir="+own)
	for i, c := range h.conns {
		h.sends(c, hermesA, hermesGone)
		h.accepted(2*i + 2)
	}
	closeIt := count(t, dir, 3)
	h.wants(`a_total{q="x"} 3`, "gone_total 3", "jobs_total 3")
	if n := len(workerFiles(t, own)); n != 1 {
		t.Errorf("%d files in the directory of the listener", n)
	}
	h.stops()
	closeIt()
	d := serve(t, nil, "--multiproc.dir="+own)
	d.wants(`a_total{q="x"} 3`, "gone_total 3", "promfold_hermes_packets_accepted_total 6")
	d.signal()
	d.ends()
}

// Property: a socket has the mode that was asked for. One that was left behind by a
// kill is replaced; one that is in use, and a file that is no socket, stay what they
// are; a good end leaves none.
func TestHermesSocket(t *testing.T) {
	config, path, file := hermesFile(t, hermesGood), filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "precious")
	dir := "--multiproc.dir=" + t.TempDir()
	h := serveHermes(t, config, []string{"unixgram://" + path}, dir)
	wantMode(t, path, fs.ModeSocket|0o660)
	flags := []string{dir, "--web.listen-address=127.0.0.1:0", "--hermes.config=" + config.path, "--log.level=error"}
	wantMistake(t, 1, []string{path}, append(flags, "--hermes.listen-address=unixgram://"+path)...)
	h.sends(h.conns[0], hermesA) // it is still theirs
	h.accepted(1)
	h.send(syscall.SIGKILL)
	for range h.log {
	}
	wantMode(t, path, fs.ModeSocket|0o660)
	h = serveHermes(t, config, []string{"unixgram://" + path + "?mode=0606"}, dir)
	wantMode(t, path, fs.ModeSocket|0o606)
	h.sends(h.conns[0], hermesA)
	h.accepted(2)
	h.stops()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantMistake(t, 1, []string{file}, append(flags, "--hermes.listen-address=unixgram://"+file)...)
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file has %q, %v", b, err)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s has the mode %v, want %v", path, info.Mode(), want)
	}
}
