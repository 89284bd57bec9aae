package client

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Client sends metrics. It has one connected socket for its whole life and, with
// Options.Queue, one goroutine. Goroutines may share it and should: make one for
// the application. Close ends it.
type Client struct {
	options Options
	bad     error // why no call can succeed, or nil
	link    *link // nil if bad is not
	queue   *queue
	packets sync.Pool // of *packet
	counts  counts
	closed  atomic.Bool
}

// HermesClient is the name that the type has in Hermes' package.
type HermesClient = Client

// New returns a Client that sends over UDP as Hermes' client does, without a
// queue. It never fails and does not touch the network: the first call does, and
// returns the error if that cannot be. Unlike Hermes' client it keeps a socket, so
// do not make one for each packet.
func New(host string, port int) *Client {
	to, err := hostTarget(host, port)
	if err != nil {
		return &Client{bad: err}
	}
	options, err := Options{}.complete()
	if err != nil {
		return &Client{bad: err}
	}
	return newClient(to, options)
}

// NewClient returns a Client for an address: host:port, udp://host:port or
// unixgram:///path. It fails with ErrAddress or ErrOption and does not touch the
// network, so the receiver may start later.
func NewClient(addr string, o Options) (*Client, error) {
	to, err := parseTarget(addr)
	if err != nil {
		return nil, err
	}
	o, err = o.complete()
	if err != nil {
		return nil, err
	}
	return newClient(to, o), nil
}

func newClient(to target, o Options) *Client {
	c := &Client{options: o, link: newLink(to, o)}
	if o.Queue > 0 {
		c.queue = newQueue(o.Queue, o.FlushInterval)
		go c.run()
	}
	return c
}

// post ends the use of p: it is sent, or queued, or counted as neither.
func (c *Client) post(p *packet) error {
	defer c.give(p)
	switch {
	case c.closed.Load():
		return ErrClosed
	case c.bad != nil:
		return c.failed(c.bad)
	case len(p.buf) > c.options.MaxPacketSize:
		return c.invalid(fmt.Errorf("%w: %d bytes, the most are %d", ErrTooLarge, len(p.buf), c.options.MaxPacketSize))
	case c.queue != nil:
		return c.enqueue(p)
	}
	refusals, err := c.link.hand(p, false)
	return c.count(refusals, err)
}
