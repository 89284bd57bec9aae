package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// named is a Client of a name whose addresses are those that now holds.
func named(t *testing.T, o Options, now *atomic.Pointer[[]netip.AddrPort]) *Client {
	c := client(t, "hermes.test:1", o)
	c.link.lookup = func(context.Context) ([]netip.AddrPort, error) {
		if addrs := now.Load(); addrs != nil {
			return *addrs, nil
		}
		return nil, errors.New("no such host")
	}
	return c
}

func point(now *atomic.Pointer[[]netip.AddrPort], peers ...*peer) {
	var addrs []netip.AddrPort
	for _, p := range peers {
		addrs = append(addrs, p.conn.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	now.Store(&addrs)
}

// arrives calls until a packet is at p.
func arrives(t *testing.T, c *Client, p *peer) {
	t.Helper()
	eventually(t, func() bool {
		c.IncrementCounter("c", nil)
		_, ok := p.read(time.Millisecond)
		return ok
	})
}

// Property: a name that has no address yet, and one whose address refuses, are
// found, with a queue and without.
func TestNameIsFound(t *testing.T) {
	for _, queue := range []int{0, 10} {
		a, b := udpPeer(t, "127.0.0.1:0"), udpPeer(t, "127.0.0.1:0")
		var now atomic.Pointer[[]netip.AddrPort]
		c := named(t, Options{Queue: queue, DialInterval: 1, FlushInterval: 1}, &now)
		err := c.IncrementCounter("c", nil)
		if queue == 0 {
			wantErr(t, err, ErrNotConnected)
		}
		point(&now, a, b)
		arrives(t, c, a)
		a.conn.Close()
		arrives(t, c, b)
		// With a queue the packet may be here before it is counted.
		eventually(t, func() bool { return c.Stats().Refused > 0 })
	}
}

// Property: a name that moves is followed though nothing fails, and a look-up that
// fails takes nothing away.
func TestNameMoves(t *testing.T) {
	for _, queue := range []int{0, 10} {
		a, b := udpPeer(t, "127.0.0.1:0"), udpPeer(t, "127.0.0.1:0")
		var now atomic.Pointer[[]netip.AddrPort]
		point(&now, a)
		c := named(t, Options{Queue: queue, DialInterval: 1, LookupInterval: 1, FlushInterval: 1}, &now)
		arrives(t, c, a)
		point(&now, b)
		arrives(t, c, b)
		now.Store(nil)
		for range 5 {
			arrives(t, c, b)
		}
	}
}

// Property: a name that keeps its address keeps its socket.
func TestNameThatStays(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	var now atomic.Pointer[[]netip.AddrPort]
	point(&now, p)
	c := named(t, Options{DialInterval: 1, LookupInterval: 1}, &now)
	lookups := make(chan struct{}, 100)
	inner := c.link.lookup
	c.link.lookup = func(ctx context.Context) ([]netip.AddrPort, error) {
		select {
		case lookups <- struct{}{}:
		default:
		}
		return inner(ctx)
	}
	arrives(t, c, p)
	s := c.link.now.Load()
	for range 5 {
		eventually(t, func() bool {
			arrives(t, c, p)
			return len(lookups) > 0
		})
		<-lookups
	}
	c.link.options.LookupInterval = time.Hour
	c.link.lookings.Wait()
	c.link.lookup = func(context.Context) ([]netip.AddrPort, error) {
		t.Error("looked up before its time")
		return nil, context.Canceled
	}
	arrives(t, c, p)
	c.link.lookings.Wait()
	if c.link.now.Load() != s {
		t.Error("another socket")
	}
}

// Property: Close waits for a look-up that is slow to end, and it leaves no socket
// behind.
func TestLookupThatOutlivesClose(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, "hermes.test:1", Options{DialInterval: 1})
	fail, ended := true, false
	c.link.lookup = func(ctx context.Context) ([]netip.AddrPort, error) {
		if fail {
			return nil, errors.New("no such host")
		}
		<-ctx.Done()
		<-time.After(20 * time.Millisecond)
		ended = true
		return []netip.AddrPort{p.conn.LocalAddr().(*net.UDPAddr).AddrPort()}, nil
	}
	wantErr(t, c.IncrementCounter("c", nil), ErrNotConnected)
	fail = false
	wantErr(t, c.IncrementCounter("c", nil), ErrNotConnected)
	within(t, func() { c.Close() })
	if !ended || c.link.now.Load() != nil {
		t.Errorf("ended: %v; there is a socket: %v", ended, c.link.now.Load() != nil)
	}
}

// Property: only the first calls wait for a look-up, for its timeout; none waits
// for a later one, of which there is one at a time, and Close ends it.
func TestLookupThatHangs(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, "hermes.test:1", Options{DialInterval: 1, LookupTimeout: time.Millisecond})
	hanging := make(chan struct{}, 1)
	var at atomic.Int32
	c.link.lookup = func(ctx context.Context) ([]netip.AddrPort, error) {
		if at.Add(1) > 1 {
			t.Error("two at a time")
		}
		defer at.Add(-1)
		select {
		case hanging <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	within(t, func() { wantErr(t, c.IncrementCounter("c", nil), context.DeadlineExceeded) })
	<-hanging
	c.link.options.LookupTimeout = time.Hour
	within(t, func() {
		for range 100 {
			wantErr(t, c.IncrementCounter("c", nil), ErrNotConnected)
		}
		<-hanging
	})
	check(t, c, Stats{Failed: 101})
	within(t, func() { c.Close() })
	p.none()
}

// Property: Clients that were used once and forgotten, as is harmless with Hermes'
// client, give their sockets back.
func TestForgottenClients(t *testing.T) {
	const fds = "/proc/self/fd"
	before, err := os.ReadDir(fds)
	if err != nil {
		t.Skip("the open files cannot be counted here")
	}
	p := udpPeer(t, "127.0.0.1:0")
	for range 100 {
		if err := New("127.0.0.1", p.conn.LocalAddr().(*net.UDPAddr).Port).IncrementCounter("c", nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool {
		runtime.GC()
		now, err := os.ReadDir(fds)
		return err == nil && len(now) < len(before)+10
	})
}
