package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
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

// Property: a name that has no address yet, and one whose address refuses and that
// has another by then, are found, with a queue and without.
func TestNameIsFound(t *testing.T) {
	for _, queue := range []int{0, 10} {
		a, b := udpPeer(t, "127.0.0.1:0"), udpPeer(t, "127.0.0.1:0")
		var now atomic.Pointer[[]netip.AddrPort]
		c := named(t, Options{Queue: queue, DialInterval: 1, FlushInterval: 1}, &now)
		err := c.IncrementCounter("c", nil)
		if queue == 0 {
			wantErr(t, err, ErrNotConnected)
		}
		point(&now, a)
		arrives(t, c, a)
		a.conn.Close()
		point(&now, b)
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

// Property: the first address stays the one that is used, though it refuses for a
// while and the second would swallow all that it got.
func TestRefusalDoesNotLeaveTheName(t *testing.T) {
	a, b := udpPeer(t, "127.0.0.1:0"), udpPeer(t, "127.0.0.1:0")
	at := a.conn.LocalAddr().String()
	var now atomic.Pointer[[]netip.AddrPort]
	point(&now, a, b)
	c := named(t, Options{DialInterval: 1, LookupInterval: time.Hour}, &now)
	arrives(t, c, a)
	a.conn.Close()
	for lookups := 0; lookups < 5; {
		old := c.link.now.Load()
		c.IncrementCounter("c", nil)
		c.IncrementCounter("c", nil) // is told of the first
		c.link.lookings.Wait()
		if c.link.now.Load() != old {
			lookups++
		}
	}
	b.none()
	a = udpPeer(t, at)
	c.IncrementCounter("c", nil)
	a.next()
}

// Property: an address that cannot be connected to is passed over for the next; if
// there is none, the call says why.
func TestAddressThatCannotBeConnectedTo(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	unscoped := netip.MustParseAddrPort("[fe80::1]:9") // no kernel knows by which interface
	var now atomic.Pointer[[]netip.AddrPort]
	c := named(t, Options{DialInterval: 1}, &now)
	for _, none := range [][]netip.AddrPort{{}, {unscoped}} {
		now.Store(&none)
		err := c.IncrementCounter("c", nil)
		wantErr(t, err, ErrNotConnected)
		c.link.lookings.Wait()
	}
	var op *net.OpError
	if err := c.Stats().Err; !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("error is %v", err)
	}
	now.Store(&[]netip.AddrPort{unscoped, p.conn.LocalAddr().(*net.UDPAddr).AddrPort()})
	arrives(t, c, p)
}

// Property: a name is looked up once in its interval, whatever is refused or fails
// meanwhile.
func TestLookupsAreLimited(t *testing.T) {
	a := udpPeer(t, "127.0.0.1:0")
	var now atomic.Pointer[[]netip.AddrPort]
	point(&now, a)
	for _, o := range []Options{
		{DialInterval: time.Hour, LookupInterval: 1},
		{DialInterval: 1, LookupInterval: time.Hour},
	} {
		c := named(t, o, &now)
		lookups, inner := 0, c.link.lookup
		c.link.lookup = func(ctx context.Context) ([]netip.AddrPort, error) {
			lookups++
			return inner(ctx)
		}
		for range 20 {
			arrives(t, c, a)
			c.link.lookings.Wait()
		}
		if o.DialInterval == time.Hour {
			a.conn.Close()
			for range 20 {
				c.IncrementCounter("c", nil)
				c.link.lookings.Wait()
			}
			if c.Stats().Refused == 0 {
				t.Error("nothing was refused")
			}
			a = udpPeer(t, a.conn.LocalAddr().String())
		}
		if lookups != 1 {
			t.Errorf("%+v: %d look-ups", o, lookups)
		}
	}
}

// Property: the calls that come during the first look-up wait for that one
// together, and all return when it ends, well or not; Stats waits for nothing, and
// with a queue no call does.
func TestCallsDuringTheFirstLookup(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	for _, queue := range []int{0, 100} {
		for _, want := range []error{nil, ErrNotConnected} {
			c := client(t, "hermes.test:1", Options{Queue: queue, DialInterval: time.Hour})
			started, release := make(chan struct{}), make(chan struct{})
			c.link.lookup = func(context.Context) ([]netip.AddrPort, error) {
				close(started) // a second time would panic
				<-release
				return []netip.AddrPort{p.conn.LocalAddr().(*net.UDPAddr).AddrPort()}, want
			}
			const calls = 20
			var wg sync.WaitGroup
			for range calls {
				wg.Go(func() {
					if err := c.IncrementCounter("c", nil); queue == 0 && !errors.Is(err, want) {
						t.Errorf("error is %v, want %v", err, want)
					}
				})
			}
			<-started
			within(t, func() {
				if queue > 0 {
					wg.Wait()
				}
				if s := c.Stats(); s.Err != nil || s.Sent+s.Failed != 0 {
					t.Errorf("during the look-up counts are %+v", s)
				}
			})
			close(release)
			within(t, wg.Wait)
			if want == nil {
				for range calls {
					p.next()
				}
			} else {
				eventually(t, func() bool { return errors.Is(c.Stats().Err, want) })
			}
			c.options.CloseTimeout = 1
			c.Close()
		}
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
