package client

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Client sends metrics. It keeps one connected socket and, with Options.Queue, has
// one goroutine. Goroutines may share it and should: make one for the application.
// Close ends it. New and NewClient make it; the zero value is of no use.
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

// briefPackets is how many packets a Client from New sends each over a socket of
// its own before it keeps one: so many descriptors must not be left to the garbage
// collector where a Client is made for each packet, or for each request with a few.
const briefPackets = 8

// New returns a Client that sends over UDP as Hermes' client does, without a
// queue. It never fails and does not touch the network: the first call does, and
// returns the error if that cannot be.
//
// Its first 8 packets go the way that all of Hermes' client do: each looks up the
// host, opens a socket and closes it; ErrRefused is of later ones only. From then on
// a socket is kept. So it does no harm to make a Client for a packet, or for a
// request with a few, and to forget it, as programs written for Hermes may. One
// Client that is shared costs less.
func New(host string, port int) *Client {
	to, err := hostTarget(host, port)
	if err != nil {
		return &Client{bad: err}
	}
	options, err := Options{}.complete()
	if err != nil {
		return &Client{bad: err}
	}
	c := newClient(to, options)
	c.link.brief.Store(briefPackets)
	return c
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
