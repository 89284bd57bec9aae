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
		"udp":              client(t, udp.addr, Options{}),
		"udp, a name":      New("localhost", 9),
		"udp, refused":     client(t, gone.addr, Options{}),
		"udp, queued":      client(t, udp.addr, Options{Queue: 100}),
		"unixgram, full":   client(t, unix.addr, Options{}),
		"unixgram, queued": client(t, unix.addr, Options{Queue: 100}),
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
