package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"testing"
	"time"
)

// Property: Clients made for a packet each, or for a request with a few, and then
// forgotten, as does no harm with Hermes' client, lose nothing and leave no
// descriptor to the garbage collector.
func TestForgottenClients(t *testing.T) {
	const fds = "/proc/self/fd"
	if _, err := os.Stat(fds); err != nil {
		t.Skip("the open files cannot be counted here")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	p := udpPeer(t, "127.0.0.1:0")
	port := p.conn.LocalAddr().(*net.UDPAddr).Port
	for _, host := range []string{"127.0.0.1", "localhost"} {
		for _, calls := range []int{1, briefPackets} {
			wantErr(t, New(host, port).IncrementCounter("c", nil), nil) // the poller opens files of its own
			p.next()
			before := entries(t, fds)
			for range 100 {
				c := New(host, port)
				for range calls {
					wantErr(t, c.IncrementCounter("c", nil), nil)
					p.next()
				}
			}
			if n := entries(t, fds); n > before {
				t.Errorf("%s, %d calls each: %d more descriptors", host, calls, n-before)
			}
		}
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// Property: a Client from New that stays in use has one socket from some packet on.
func TestNewKeepsASocket(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := New("127.0.0.1", p.conn.LocalAddr().(*net.UDPAddr).Port)
	defer c.Close()
	from := map[string]int{}
	for range briefPackets + 100 {
		wantErr(t, c.IncrementCounter("c", nil), nil)
		_, addr, err := p.conn.ReadFrom(p.buf[:])
		if err != nil {
			t.Fatal(err)
		}
		from[addr.String()]++
	}
	most := 0
	for _, n := range from {
		most = max(most, n)
	}
	if most < 100 {
		t.Errorf("%d packets from one socket, want 100 or more", most)
	}
	check(t, c, Stats{Sent: briefPackets + 100})
}

// Property: a Client from New waits once for a name that is not found; the calls
// after return at once, until an attempt is due.
func TestNewWaitsOnce(t *testing.T) {
	c := New("hermes.test", 1)
	c.link.options.LookupTimeout, c.link.options.DialInterval = time.Millisecond, time.Hour
	lookups := 0
	c.link.lookup = func(ctx context.Context) ([]netip.AddrPort, error) {
		lookups++
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for range 20 {
		err := c.IncrementCounter("c", nil)
		wantErr(t, err, ErrNotConnected)
		wantErr(t, err, context.DeadlineExceeded)
	}
	wantErr(t, c.Stats().Err, ErrNotConnected)
	c.link.lookings.Wait()
	if lookups != 1 {
		t.Errorf("%d look-ups", lookups)
	}
	check(t, c, Stats{Failed: 20})
	c.Close()
}

// Property: Close ends the look-up of a call, which then is one after Close.
func TestNewClosedDuringLookup(t *testing.T) {
	c := New("hermes.test", 1)
	c.link.options.LookupTimeout = time.Hour
	started := make(chan struct{})
	c.link.lookup = func(ctx context.Context) ([]netip.AddrPort, error) {
		close(started)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	called := make(chan error)
	go func() { called <- c.IncrementCounter("c", nil) }()
	<-started
	c.Close()
	within(t, func() {
		if err := <-called; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	check(t, c, Stats{})
}
