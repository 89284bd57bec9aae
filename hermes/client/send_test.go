package client

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Property: of the calls of many goroutines each is sent or dropped, and the
// counts say which: what arrived is Sent, what was refused a place is Dropped.
func TestTotals(t *testing.T) {
	const goroutines, calls = 8, 500
	for name, o := range map[string]Options{
		"direct":      {},
		"queue":       {Queue: 100},
		"large queue": {Queue: goroutines * calls, CloseTimeout: patience},
	} {
		t.Run(name, func(t *testing.T) {
			p := unixPeer(t, socketPath(t))
			c := client(t, p.addr, o)
			var full atomic.Uint64
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range calls {
						if err := c.IncrementCounter("c", map[string]string{"a": "b"}); errors.Is(err, ErrFull) {
							full.Add(1)
						} else if err != nil {
							t.Error(err)
						}
					}
				})
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				wg.Wait()
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
			got := uint64(p.drain(done))
			check(t, c, Stats{Sent: got, Dropped: full.Load()})
			if got+full.Load() != goroutines*calls {
				t.Errorf("%d arrived and %d were dropped, of %d", got, full.Load(), goroutines*calls)
			}
			if name == "large queue" && full.Load() != 0 {
				t.Errorf("%d dropped though there was room for all", full.Load())
			}
		})
	}
}

// Property: a receiver that does not read never blocks a call, without a queue or
// with a full one; what was accepted arrives when it reads again.
func TestFullNeverBlocks(t *testing.T) {
	const calls = 1000
	for _, queue := range []int{0, 7} {
		p := unixPeer(t, socketPath(t))
		c := client(t, p.addr, Options{Queue: queue, CloseTimeout: patience})
		var accepted uint64
		within(t, func() {
			for range calls {
				switch err := c.IncrementCounter("c", nil); {
				case err == nil:
					accepted++
				case !errors.Is(err, ErrFull):
					t.Error(err)
				}
			}
		})
		if accepted == 0 || accepted == calls {
			t.Fatalf("%d of %d accepted", accepted, calls)
		}
		closed := make(chan struct{})
		go func() { defer close(closed); c.Close() }()
		if got := p.drain(closed); uint64(got) != accepted {
			t.Errorf("queue %d: %d arrived, want %d", queue, got, accepted)
		}
		check(t, c, Stats{Sent: accepted, Dropped: calls - accepted})
	}
}

// Property: a call after a refusal says so and is sent all the same; once somebody
// listens every packet arrives.
func TestRefused(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	at := p.conn.LocalAddr().String()
	c := client(t, p.addr, Options{})
	p.conn.Close()
	if err := c.IncrementCounter("c", nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := c.IncrementCounter("c", nil)
		wantErr(t, err, ErrRefused)
		wantErr(t, err, syscall.ECONNREFUSED)
	}
	check(t, c, Stats{Sent: 4, Refused: 3})
	p = udpPeer(t, at)
	wantErr(t, c.IncrementCounter("c", nil), ErrRefused)
	p.next()
	for range 3 {
		if err := c.IncrementCounter("c", nil); err != nil {
			t.Error(err)
		}
		p.next()
	}
	check(t, c, Stats{Sent: 8, Refused: 4})
}

// Property: with many goroutines on a refused socket too, each call is counted
// once.
func TestRefusedForMany(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{})
	p.conn.Close()
	var wg sync.WaitGroup
	var sent, failed atomic.Uint64
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				switch err := c.IncrementCounter("c", nil); {
				case err == nil, errors.Is(err, ErrRefused):
					sent.Add(1)
				case errors.Is(err, syscall.ECONNREFUSED):
					failed.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if sent.Load()+failed.Load() != 4000 || sent.Load() == 0 {
		t.Errorf("%d sent and %d failed, of 4000", sent.Load(), failed.Load())
	}
	check(t, c, Stats{Sent: sent.Load(), Failed: failed.Load(), Refused: c.Stats().Refused})
}

// Property: a receiver that starts after the Client, or again behind the same
// path, is found at the next call that may dial.
func TestRestart(t *testing.T) {
	path := socketPath(t)
	c := client(t, "unixgram://"+path, Options{DialInterval: 1})
	wantErr(t, c.IncrementCounter("c", nil), ErrNotConnected)
	wantErr(t, c.IncrementCounter("c", nil), os.ErrNotExist)
	for n := range uint64(3) {
		p := unixPeer(t, path)
		for range 2 {
			if err := c.IncrementCounter("c", nil); err != nil {
				t.Fatal(err)
			}
			p.next()
		}
		if n == 1 { // a restart between two calls: no call notices
			p.conn.Close()
			continue
		}
		p.conn.Close()
		wantErr(t, c.IncrementCounter("c", nil), ErrNotConnected)
	}
	wantErr(t, c.Stats().Err, ErrNotConnected)
	check(t, c, Stats{Sent: 6, Failed: 4})
}

// Property: a peer that stays away is not dialled at each call.
func TestDialsAreLimited(t *testing.T) {
	path := socketPath(t)
	c := client(t, "unixgram://"+path, Options{DialInterval: time.Hour})
	wantErr(t, c.IncrementCounter("c", nil), os.ErrNotExist)
	p := unixPeer(t, path)
	wantErr(t, c.IncrementCounter("c", nil), os.ErrNotExist)
	wantErr(t, c.Stats().Err, os.ErrNotExist)
	check(t, c, Stats{Failed: 2})
	c.link.options.DialInterval = 1
	if err := c.IncrementCounter("c", nil); err != nil {
		t.Error(err)
	}
	p.next()
	p.conn.Close()
	c.link.options.DialInterval = time.Hour
	err := c.IncrementCounter("c", nil)
	wantErr(t, err, ErrNotConnected)
	wantErr(t, err, syscall.ECONNREFUSED)
	unixPeer(t, path).none()
	wantErr(t, c.IncrementCounter("c", nil), syscall.ECONNREFUSED)
	check(t, c, Stats{Sent: 1, Failed: 4})
}

// Property: Close sends all that is queued; then every call returns ErrClosed and
// counts nothing.
func TestClose(t *testing.T) {
	for _, queue := range []int{0, 1000} {
		p := udpPeer(t, "127.0.0.1:0")
		c := client(t, p.addr, Options{Queue: queue, CloseTimeout: patience})
		for range 100 {
			if err := c.IncrementCounter("c", nil); err != nil {
				t.Error(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		want := Stats{Sent: 100}
		check(t, c, want)
		for range 100 {
			p.next()
		}
		for name, err := range map[string]error{
			"IncrementCounter": c.IncrementCounter("c", nil), "AddCounter": c.AddCounter("c", nil, -1),
			"IncrementGauge": c.IncrementGauge("c", nil), "DecrementGauge": c.DecrementGauge("c", nil),
			"SetGauge": c.SetGauge("c", nil, 1), "ObserveHistogram": c.ObserveHistogram("c", nil, 1),
			"ObserveSummary": c.ObserveSummary("c", nil, 1), "SendUDPPacket": c.SendUDPPacket(func() {}),
			"Flush": c.Flush(t.Context()), "Close": c.Close(),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
		check(t, c, want)
		p.none()
	}
}

// Property: Close and Flush end in their time when the receiver does not read or
// is not there, and what is left is dropped and counted.
func TestCloseIsBounded(t *testing.T) {
	unread := unixPeer(t, socketPath(t)).addr
	for _, addr := range []string{unread, "unixgram://" + socketPath(t)} {
		c := client(t, addr, Options{Queue: 1000, CloseTimeout: time.Millisecond, DialInterval: time.Hour})
		for range 500 {
			if err := c.IncrementCounter("c", nil); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		wantErr(t, c.Flush(ctx), context.DeadlineExceeded)
		cancel()
		within(t, func() { wantErr(t, c.Close(), os.ErrDeadlineExceeded) })
		s := c.Stats()
		if s.Sent+s.Dropped != 500 || s.Dropped == 0 || s.Queued != 0 {
			t.Errorf("%s: counts are %+v", addr, s)
		}
	}
}

// Property: a call that finds the socket closed under its hands is one after Close.
func TestClosedUnderACall(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{})
	if err := c.IncrementCounter("c", nil); err != nil {
		t.Error(err)
	}
	c.link.close()
	wantErr(t, c.IncrementCounter("c", nil), ErrClosed)
	check(t, c, Stats{Sent: 1})
}

// Property: of several calls that fail on one socket the first replaces it, the
// others take what it made; the old one is closed.
func TestReplacedOnce(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{DialInterval: 1})
	old, err := c.link.socket()
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.link.replace(old, syscall.EPERM)
	if err != nil || first == old {
		t.Fatal(first, err)
	}
	if second, err := c.link.replace(old, syscall.EPERM); err != nil || second != first {
		t.Errorf("the second call has another socket, %v", err)
	}
	wantErr(t, old.send(c.take(), false), net.ErrClosed)
	c.link.options.DialInterval = time.Hour
	wantErr(t, second(c.link.replace(first, syscall.EPERM)), syscall.EPERM)
	if c.link.now.Load() != first {
		t.Error("a UDP socket was given up before there is another")
	}
}

func second[A, B any](_ A, b B) B { return b }

// Property: calls that race with Close are sent, dropped or told that it is
// closed, and nothing is lost on the way.
func TestCallsRacingWithClose(t *testing.T) {
	for _, queue := range []int{0, 100} {
		p := unixPeer(t, socketPath(t))
		c := client(t, p.addr, Options{Queue: queue, CloseTimeout: patience})
		var counted atomic.Uint64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					err := c.IncrementCounter("c", nil)
					if errors.Is(err, ErrClosed) {
						return
					}
					counted.Add(1)
					runtime.Gosched() // a full queue must not keep its readers from running
				}
			})
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			eventually(t, func() bool { return c.Stats().Sent > 100 })
			c.Close()
			wg.Wait()
		}()
		got := uint64(p.drain(done))
		s := c.Stats()
		if s.Sent != got || s.Sent+s.Dropped != counted.Load() || s.Failed != 0 {
			t.Errorf("queue %d: %d arrived of %d calls, counts are %+v", queue, got, counted.Load(), s)
		}
	}
}
