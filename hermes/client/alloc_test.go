//go:build !race

package client

import (
	"fmt"
	"testing"
)

// Property: a call allocates nothing, whatever it sends and whichever way; under
// the race detector a pool forgets on purpose, so there it cannot be counted.
func TestCallsDoNotAllocate(t *testing.T) {
	udp, unix := udpPeer(t, "127.0.0.1:0"), unixPeer(t, socketPath(t))
	gone := udpPeer(t, "127.0.0.1:0")
	gone.conn.Close()
	many := map[string]string{}
	for i := range 20 {
		many[fmt.Sprint("label", i)] = "value"
	}
	for name, c := range map[string]*Client{
		"udp":            client(t, udp.addr, Options{}),
		"udp, a name":    New("localhost", 9),
		"udp, refused":   client(t, gone.addr, Options{}),
		"unixgram, full": client(t, unix.addr, Options{}),
	} {
		for range 1000 { // the buffers grow
			c.ObserveSummary("requests", many, 0.25)
		}
		for _, labels := range []map[string]string{nil, {"queue": "mail"}, {"queue": "mail", "host": "a<b", "a": "", "z": ""}, many} {
			n := testing.AllocsPerRun(200, func() {
				c.IncrementCounter("c_total", labels)
				c.AddCounter("c_total", labels, 2.5)
				c.IncrementGauge("depth", labels)
				c.SetGauge("depth", labels, 1e-9)
				c.ObserveHistogram("latency_seconds", labels, 0.25)
			})
			if n != 0 {
				t.Errorf("%s, %d labels: %v allocations", name, len(labels), n)
			}
		}
	}
}

// Property: once its two buffers have grown, a queue allocates nothing, neither for
// the calls nor for the batches that the goroutine takes.
func TestQueueDoesNotAllocate(t *testing.T) {
	o, err := Options{Queue: 100}.complete()
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{options: o, queue: newQueue(o.Queue, o.FlushInterval)} // without its goroutine
	var b batch
	round := func() {
		for range o.Queue {
			if c.IncrementCounter("c_total", nil) != nil {
				t.Error("full")
			}
		}
		b, _ = c.queue.exchange(b.emptied())
	}
	round()
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for %d packets", n, o.Queue)
	}
}

// Property: a buffer that one large packet made is not kept, and no label of a
// packet that has gone is.
func TestPacketsKeepLittle(t *testing.T) {
	c := &Client{}
	for range 100 { // the pool may forget as well
		p := c.take()
		p.buf = make([]byte, 0, keptPacket+1)
		c.give(p)
		if p = c.take(); cap(p.buf) > keptPacket {
			t.Fatalf("%d bytes kept", cap(p.buf))
		}
	}
	p := c.take()
	p.close(map[string]string{"a": "b", "c": "d"})
	for _, l := range p.labels[:2] {
		if l != (label{}) {
			t.Errorf("%v kept", l)
		}
	}
}
