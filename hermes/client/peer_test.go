package client

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// peer is the socket at the other end.
type peer struct {
	t    testing.TB
	conn net.PacketConn
	addr string // as NewClient takes it
	buf  [1 << 16]byte
}

func udpPeer(t testing.TB, at string) *peer {
	t.Helper()
	conn, err := net.ListenPacket("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, addr: "udp://" + conn.LocalAddr().String()}
}

func unixPeer(t testing.TB, path string) *peer {
	t.Helper()
	os.Remove(path) // that of a peer before
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, addr: "unixgram://" + path}
}

// socketPath is that of a socket that is not there yet. A test's own directory
// can be too long for one.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hermes")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// next returns the next packet, which must come.
func (p *peer) next() string {
	p.t.Helper()
	b, ok := p.read(patience)
	if !ok {
		p.t.Fatal("no packet came")
	}
	return b
}

// none asserts that nothing is there.
func (p *peer) none() {
	p.t.Helper()
	if b, ok := p.read(20 * time.Millisecond); ok {
		p.t.Fatalf("a packet came: %s", b)
	}
}

func (p *peer) read(wait time.Duration) (string, bool) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(wait))
	n, _, err := p.conn.ReadFrom(p.buf[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", false
	case err != nil:
		p.t.Fatal(err)
	}
	return string(p.buf[:n]), true
}

// drain reads what is there and what comes until then is closed; it returns how
// many packets that were.
func (p *peer) drain(then <-chan struct{}) int {
	for n := 0; ; n++ {
		_, ok := p.read(20 * time.Millisecond)
		for !ok {
			select {
			case <-then:
				if _, ok = p.read(20 * time.Millisecond); !ok {
					return n
				}
			default:
				_, ok = p.read(20 * time.Millisecond)
			}
		}
	}
}

func client(t testing.TB, addr string, o Options) *Client {
	t.Helper()
	c, err := NewClient(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func flush(t testing.TB, c *Client) {
	t.Helper()
	within(t, func() {
		if err := c.Flush(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// within fails the test at once if f blocks.
func within(t testing.TB, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("blocked")
	}
}

// eventually tries until ok.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("did not happen")
		}
		runtime.Gosched()
	}
}

// check compares the counts alone.
func check(t *testing.T, c *Client, want Stats) {
	t.Helper()
	got := c.Stats()
	got.Err = nil
	if got != want {
		t.Errorf("counts are %+v, want %+v", got, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
	}
}
