//go:build unix

package hermes

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
)

// server is a listener and an exporter of what it counts.
type server struct {
	*Listener
	t        *testing.T
	exporter *exporter.Exporter
	stop     func() // after run: ends it and waits. What was sent before is counted then
}

// serve makes a listener on an address of its own, with the fixture's configuration
// unless o has one.
func serve(t *testing.T, o Options) *server {
	t.Helper()
	if o.Config == nil {
		o.Config = fixtureConfig(t)
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Addresses == nil {
		o.Addresses = []string{"127.0.0.1:0"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	d := directory.New(o.Dir, directory.Options{})
	s := &server{Listener: l, t: t, exporter: exporter.New(exporter.Options{
		Members: []exporter.Member{{Directory: d}}, Logger: o.Logger,
	})}
	t.Cleanup(func() {
		if s.stop != nil {
			s.stop()
		} else {
			l.close()
			l.table.store.Close()
		}
		d.Close()
	})
	return s
}

// run runs the listener, until stop.
func (s *server) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			s.t.Error(err)
		}
	})
}

// pump counts what has come to a listener that does not run.
func (s *server) pump() {
	s.t.Helper()
	for _, socket := range s.sockets {
		r := newReader(s.Listener, socket)
		if err := socket.drain(r.batch, r.count); err != nil {
			s.t.Error(err)
		}
	}
}

// sender is a socket connected to the listener's first.
func (s *server) sender() net.Conn { return s.senders()[0] }

// senders are sockets connected to each of the listener's.
func (s *server) senders() []net.Conn {
	s.t.Helper()
	var all []net.Conn
	for _, socket := range s.sockets {
		a := socket.local
		conn, err := net.Dial(a.Network(), a.String())
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { conn.Close() })
		all = append(all, conn)
	}
	return all
}

func (s *server) send(datagrams ...string) {
	s.t.Helper()
	conn := s.sender()
	for _, d := range datagrams {
		if _, err := conn.Write([]byte(d)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// samples are the lines of samples that a scrape shows, by series.
func (s *server) samples() map[string]string {
	s.t.Helper()
	return samplesOf(s.scrape())
}

func (s *server) scrape() string {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.exporter.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		s.t.Fatal(w.Body.String())
	}
	return w.Body.String()
}

func samplesOf(text string) map[string]string {
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			all[line[:at]] = line[at+1:]
		}
	}
	return all
}

func fixtureConfig(t testing.TB) *Config {
	t.Helper()
	c, err := LoadConfig("testdata/config.json")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines are those of a file of the fixture.
func lines(t testing.TB, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

// outcome is what a datagram did to Hermes.
type outcome struct {
	Line    int
	Desc    string
	Changed int      // samples that its exposition shows otherwise than before
	Sample  []string // up to three of them
	Log     []string // what Hermes logged, which is nothing if it took the datagram
}

func outcomes(t testing.TB) []outcome {
	t.Helper()
	var all []outcome
	for _, l := range lines(t, "outcomes.jsonl") {
		var o outcome
		if err := json.Unmarshal(l, &o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func number64(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
