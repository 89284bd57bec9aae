package client

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Property: the queue holds as many packets as it is said to, besides those in
// the hands of the goroutine and of the kernel.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue(3, 1)
	for range 3 {
		if err := q.put([]byte("x")); err != nil {
			t.Error(err)
		}
	}
	wantErr(t, q.put([]byte("x")), ErrFull)
	b := q.swap(batch{})
	if len(b.ends) != 3 || string(b.data) != "xxx" {
		t.Errorf("took %+v", b)
	}
	if err := q.put([]byte("yy")); err != nil {
		t.Error(err)
	}
	if n := q.waiting(); n != 4 {
		t.Errorf("%d wait, want 4", n)
	}
	b = q.swap(b)
	if len(b.ends) != 1 || string(b.data) != "yy" || q.waiting() != 1 {
		t.Errorf("took %+v of %d", b, q.waiting())
	}
	q.close()
	wantErr(t, q.put([]byte("x")), ErrClosed)
	wantErr(t, q.flush(t.Context()), ErrClosed)
	if b = q.swap(b); len(b.ends) != 0 || q.waiting() != 0 {
		t.Errorf("took %+v of %d from a closed queue", b, q.waiting())
	}
}

// Property: while packets come, calls do not wake the goroutine before its time
// but at half the queue; a flush and the end do.
func TestLingers(t *testing.T) {
	q := newQueue(10, time.Hour)
	taken := make(chan batch)
	take := func(before batch) { go func() { taken <- q.swap(before) }() }
	put := func(n int) {
		for range n {
			wantErr(t, q.put([]byte("x")), nil)
		}
	}
	var b batch
	got := func(want int) {
		t.Helper()
		within(t, func() { b = <-taken })
		if len(b.ends) != want {
			t.Errorf("took %d, want %d", len(b.ends), want)
		}
	}
	take(batch{})
	eventually(t, func() bool { q.mu.Lock(); defer q.mu.Unlock(); return q.idle })
	put(1)
	got(1) // the first after a pause does not wait

	take(b)
	put(5)
	if len(q.wake) != 0 {
		t.Error("woken for less than half a queue")
	}
	put(1)
	got(6)

	put(7) // while it sends
	take(b)
	got(7)

	<-q.wake // from put: it was not needed
	take(b)
	put(2)
	flushed := make(chan error)
	go func() { flushed <- q.flush(context.Background()) }()
	got(2)
	take(b)
	within(t, func() { wantErr(t, <-flushed, nil) })
	put(1) // a flush leaves no time to linger
	got(1)
	take(b)
	put(3)
	q.close()
	got(3)
	take(b)
	got(0)
}

// Property: what nobody flushes is sent after the interval.
func TestSentAfterTheInterval(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{Queue: 1000, FlushInterval: time.Millisecond})
	for range 100 {
		for range 3 {
			wantErr(t, c.IncrementCounter("c", nil), nil)
		}
		for range 3 {
			p.next()
		}
	}
}

// Property: a Flush that waits ends when the last packet before it has gone,
// though more come.
func TestFlushEnds(t *testing.T) {
	q := newQueue(3, 1)
	q.put([]byte("x"))
	b := q.swap(batch{})
	flushed := make(chan error)
	go func() { flushed <- q.flush(context.Background()) }()
	eventually(t, func() bool {
		q.put([]byte("x"))
		b = q.swap(b)
		select {
		case err := <-flushed:
			wantErr(t, err, nil)
			return true
		default:
			return false
		}
	})
	if q.waiting() == 0 {
		t.Error("nothing waits any more")
	}
	if q.flushes != 0 {
		t.Error("the goroutine will never linger again")
	}
}

// Property: what the queue has room for outlives the receiver: it is held while
// nobody is there and arrives, in order and once, when somebody is.
func TestQueueOutlivesTheReceiver(t *testing.T) {
	path := socketPath(t)
	c := client(t, "unixgram://"+path, Options{Queue: 10, DialInterval: time.Millisecond})
	names := []string{"0", "1", "2", "3", "4", "5"}
	if err := c.Stats().Err; err != nil {
		t.Errorf("nothing was wanted, yet %v", err)
	}
	for round := range 2 {
		for _, name := range names {
			if err := c.SendUDPPacket(name); err != nil {
				t.Error(err)
			}
		}
		eventually(t, func() bool { return errors.Is(c.Stats().Err, ErrNotConnected) })
		check(t, c, Stats{Sent: uint64(round * len(names)), Queued: uint64(len(names))})
		p := unixPeer(t, path)
		for _, name := range names {
			if got, want := p.next(), `"`+name+`"`; got != want {
				t.Errorf("round %d: %s, want %s", round, got, want)
			}
		}
		flush(t, c)
		p.none()
		p.conn.Close()
	}
	wantErr(t, c.Close(), nil)
	check(t, c, Stats{Sent: 12})
}

// Property: a peer that goes while the goroutine waits for its room ends the wait.
func TestPeerGoesWhileFull(t *testing.T) {
	path := socketPath(t)
	p := unixPeer(t, path)
	c := client(t, p.addr, Options{Queue: 1000, DialInterval: time.Millisecond})
	const calls = 500
	for range calls {
		if err := c.IncrementCounter("c", nil); err != nil {
			t.Fatal(err)
		}
	}
	p.read(patience) // the kernel's queue is full now, or will soon be
	p.conn.Close()
	p = unixPeer(t, path)
	flushed := make(chan struct{})
	go func() { defer close(flushed); flush(t, c) }()
	got := p.drain(flushed)
	check(t, c, Stats{Sent: calls})
	if got < calls-100 || got >= calls {
		t.Errorf("%d of %d reached the second", got, calls)
	}
}

// Property: when a burst has gone the queue gives its memory back, but for the
// kept bytes of each half.
func TestQueueGivesMemoryBack(t *testing.T) {
	const calls, size = 8000, 2000
	path := socketPath(t)
	c := client(t, "unixgram://"+path, Options{Queue: calls, DialInterval: time.Millisecond})
	name := strings.Repeat("n", size)
	before := heap()
	for range calls {
		wantErr(t, c.SendUDPPacket(name), nil)
	}
	if n := heap() - before; n < calls*size {
		t.Errorf("%d bytes hold %d", n, calls*size)
	}
	p := unixPeer(t, path)
	flushed := make(chan struct{})
	go func() { defer close(flushed); flush(t, c) }()
	if n := p.drain(flushed); n != calls {
		t.Errorf("%d arrived, want %d", n, calls)
	}
	eventually(t, func() bool { return heap()-before < 3*keptBatch })
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
