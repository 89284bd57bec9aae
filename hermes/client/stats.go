package client

import (
	"errors"
	"sync/atomic"
)

// Stats says what has become of the packets so far. Each call that did not return
// ErrClosed ends in exactly one of Sent, Dropped, Failed and Invalid.
type Stats struct {
	Sent    uint64 // handed to the kernel; UDP promises no more
	Dropped uint64 // no room, in the queue or the kernel, or no time left in Close
	Failed  uint64 // no connection, or an error of the kernel
	Invalid uint64 // could never be sent: too large, or not JSON
	Queued  uint64 // wait in the queue, or are in a batch that is being sent
	// Refused is how often the kernel told that nobody listened when an earlier
	// packet, counted as Sent, arrived. It tells once for several such packets.
	Refused uint64
	// Err is why there is no connection, though one was wanted; else nil. With a
	// queue nothing else tells, because the packets are held meanwhile.
	Err error
}

// counts are what Stats shows. Each is added to by whoever ends a packet.
type counts struct {
	sent, dropped, failed, invalid, refused atomic.Uint64
}

// Stats returns the counts since the Client was made. It may be called at any
// time, after Close too.
func (c *Client) Stats() Stats {
	s := Stats{
		Sent:    c.counts.sent.Load(),
		Dropped: c.counts.dropped.Load(),
		Failed:  c.counts.failed.Load(),
		Invalid: c.counts.invalid.Load(),
		Refused: c.counts.refused.Load(),
	}
	if c.queue != nil {
		s.Queued = c.queue.waiting()
	}
	if c.link != nil {
		s.Err = c.link.trouble()
	}
	return s
}

// count counts the packet that link.hand returned this for, and returns what the
// caller is told.
func (c *Client) count(refusals uint64, err error) error {
	if refusals > 0 {
		c.counts.refused.Add(refusals)
	}
	switch {
	case err == nil && refusals > 0:
		c.counts.sent.Add(1)
		return ErrRefused
	case err == nil:
		c.counts.sent.Add(1)
		return nil
	case errors.Is(err, ErrClosed):
		return ErrClosed
	case errors.Is(err, ErrFull):
		c.counts.dropped.Add(1)
		return ErrFull
	case errors.Is(err, ErrTooLarge):
		c.counts.invalid.Add(1)
		return err
	}
	return c.failed(err)
}

func (c *Client) invalid(err error) error {
	if c.closed.Load() {
		return ErrClosed
	}
	c.counts.invalid.Add(1)
	return err
}

func (c *Client) failed(err error) error {
	c.counts.failed.Add(1)
	return err
}
