package client

import (
	"encoding/json"
	"errors"
	"math"
	"net"
	"os"
	"strings"
	"testing"
)

type clientBytes struct{ Call, Bytes string }

func goldenBytes(t *testing.T) []clientBytes {
	t.Helper()
	b, err := os.ReadFile("testdata/client_bytes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []clientBytes
	for line := range strings.Lines(string(b)) {
		var one clientBytes
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// Property: what arrives is to the byte what Hermes' own client sent for the same
// call, whichever way it goes.
func TestSendsHermesBytes(t *testing.T) {
	l := map[string]string{"queue": `a<b>&"é`, "host": "h1"}
	calls := map[string]func(*Client) error{
		"IncrementCounter(c_total,l)": func(c *Client) error { return c.IncrementCounter("c_total", l) },
		"IncrementGauge(g,l)":         func(c *Client) error { return c.IncrementGauge("g", l) },
		"DecrementGauge(g,nil)":       func(c *Client) error { return c.DecrementGauge("g", nil) },
		"SetGauge(g,l,54)":            func(c *Client) error { return c.SetGauge("g", l, 54) },
		"ObserveHistogram(h,l,0.25)":  func(c *Client) error { return c.ObserveHistogram("h", l, 0.25) },
		"ObserveSummary(s,l,5)":       func(c *Client) error { return c.ObserveSummary("s", l, 5) },
		"SetGauge(g,l,1e21)":          func(c *Client) error { return c.SetGauge("g", l, 1e21) },
		"SendUDPPacket(map)":          func(c *Client) error { return c.SendUDPPacket(map[string]any{"metric_name": "raw"}) },
	}
	udp, unix := udpPeer(t, "127.0.0.1:0"), unixPeer(t, socketPath(t))
	clients := map[*Client]*peer{
		New("127.0.0.1", udp.conn.LocalAddr().(*net.UDPAddr).Port):                   udp,
		client(t, strings.TrimPrefix(udp.addr, "udp://"), Options{}):                 udp,
		client(t, strings.Replace(udp.addr, "127.0.0.1", "localhost", 1), Options{}): udp,
		client(t, udp.addr, Options{Queue: 1}):                                       udp,
		client(t, unix.addr, Options{}):                                              unix,
		client(t, unix.addr, Options{Queue: 1}):                                      unix,
	}
	golden := goldenBytes(t)
	if len(golden) != len(calls) {
		t.Fatalf("%d lines, %d calls", len(golden), len(calls))
	}
	for c, p := range clients {
		for _, g := range golden {
			call, ok := calls[g.Call]
			if !ok {
				t.Fatalf("no call %s", g.Call)
			}
			if err := call(c); err != nil {
				t.Fatalf("%s: %v", g.Call, err)
			}
			if got := p.next(); got != g.Bytes {
				t.Errorf("%s sent to %v\n%s, want\n%s", g.Call, c.link.to, got, g.Bytes)
			}
			flush(t, c)
		}
		check(t, c, Stats{Sent: uint64(len(golden))})
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Property: an amount is one more field; the amount of 1 is none.
func TestAmounts(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{})
	for amount, want := range map[float64]string{
		1:       `{"metric_name":"c","payload":{"labels":{"a":"b"}}}`,
		0:       `{"metric_name":"c","payload":{"amount":0,"labels":{"a":"b"}}}`,
		2.5:     `{"metric_name":"c","payload":{"amount":2.5,"labels":{"a":"b"}}}`,
		1e21:    `{"metric_name":"c","payload":{"amount":1e+21,"labels":{"a":"b"}}}`,
		1.5e-07: `{"metric_name":"c","payload":{"amount":1.5e-7,"labels":{"a":"b"}}}`,
	} {
		if err := c.AddCounter("c", map[string]string{"a": "b"}, amount); err != nil {
			t.Fatal(err)
		}
		if got := p.next(); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

// Property: what JSON, or a counter, cannot take is refused and counted, and
// nothing is sent.
func TestInvalidIsNotSent(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{})
	wantErr(t, c.AddCounter("c", nil, -1), ErrAmount)
	n := uint64(1)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		wantErr(t, c.AddCounter("c", nil, v), ErrAmount)
		wantErr(t, c.SetGauge("g", nil, v), ErrValue)
		wantErr(t, c.ObserveHistogram("h", nil, v), ErrValue)
		wantErr(t, c.ObserveSummary("s", nil, v), ErrValue)
		n += 4
	}
	var unsupported *json.UnsupportedTypeError
	if err := c.SendUDPPacket(make(chan int)); !errors.As(err, &unsupported) {
		t.Errorf("a channel: %v", err)
	}
	check(t, c, Stats{Invalid: n + 1})
	p.none()
}

// Property: a packet of the largest size is sent, one byte more is not.
func TestTooLarge(t *testing.T) {
	p := unixPeer(t, socketPath(t))
	for _, queue := range []int{0, 1} {
		for _, most := range []int{0, 100} {
			c := client(t, p.addr, Options{MaxPacketSize: most, Queue: queue})
			size := most
			if size == 0 {
				size = 2048
			}
			name := strings.Repeat("n", size-len(`{"metric_name":"","payload":{"labels":null}}`))
			if err := c.IncrementCounter(name, nil); err != nil {
				t.Error(err)
			}
			if got := len(p.next()); got != size {
				t.Errorf("%d bytes came, want %d", got, size)
			}
			wantErr(t, c.IncrementCounter(name+"n", nil), ErrTooLarge)
			wantErr(t, c.SendUDPPacket(strings.Repeat("n", size-1)), ErrTooLarge)
			flush(t, c)
			check(t, c, Stats{Sent: 1, Invalid: 2})
			p.none()
		}
	}
}

// Property: a packet that is too large for the kernel alone is told from others,
// and does not cost the connection.
func TestTooLargeForTheKernel(t *testing.T) {
	p := udpPeer(t, "127.0.0.1:0")
	c := client(t, p.addr, Options{MaxPacketSize: 1 << 20})
	wantErr(t, c.IncrementCounter(strings.Repeat("n", 1<<17), nil), ErrTooLarge)
	if err := c.IncrementCounter("c", nil); err != nil {
		t.Error(err)
	}
	p.next()
	check(t, c, Stats{Sent: 1, Invalid: 1})
}
