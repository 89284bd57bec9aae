package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// queue holds the packets that wait, one after the other in one buffer. The
// goroutine takes all of them at once and leaves an empty buffer in return, so a
// packet costs a copy, and in the long run no memory.
//
// To wake a goroutine can cost a caller more than to write the datagram would. So
// after a batch the goroutine lingers by a timer and collects, and a call wakes it
// only where it has found nothing, or where the queue is half full.
type queue struct {
	limit  int
	linger time.Duration
	wake   chan struct{} // holds at most one; without need it only ends one lingering
	ended  chan struct{} // closed when the goroutine has returned

	mu      sync.Mutex // guards what follows
	done    sync.Cond  // packets were sent or given up, or a flush has no more time
	packets batch
	idle    bool   // the goroutine has found nothing and waits to be woken
	flushes int    // that wait: no time to linger
	closed  bool   // by Close: nothing more comes
	came    uint64 // packets, ever
	went    uint64 // of these: sent or given up
}

// batch is packets in the order of their coming; packet i ends at ends[i].
type batch struct {
	data []byte
	ends []int
}

// keptBatch is the memory in bytes above which a batch is not used again, so that a
// burst does not hold its memory for ever.
const keptBatch = 1 << 20

// emptied returns a batch without packets, in the memory of b if that may be kept.
func (b batch) emptied() batch {
	if cap(b.data)+cap(b.ends)*strconv.IntSize/8 > keptBatch {
		return batch{}
	}
	return batch{data: b.data[:0], ends: b.ends[:0]}
}

func newQueue(limit int, linger time.Duration) *queue {
	q := &queue{limit: limit, linger: linger, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	q.done.L = &q.mu
	return q
}

// put copies a packet.
func (q *queue) put(b []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	n := len(q.packets.ends)
	if n >= q.limit {
		return ErrFull
	}
	q.packets.data = append(q.packets.data, b...)
	q.packets.ends = append(q.packets.ends, len(q.packets.data))
	q.came++
	if q.idle || n == q.limit/2 {
		q.idle = false
		q.rouse()
	}
	return nil
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// swap returns the packets that wait, and waits for some; none when the queue is
// closed and empty. The batch before is finished, and its memory used again.
func (q *queue) swap(before batch) batch {
	lingers := q.finish(before)
	before = before.emptied() // now, because what follows may wait for long
	if lingers {
		timer := time.NewTimer(q.linger)
		select {
		case <-timer.C:
		case <-q.wake:
		}
		timer.Stop()
	}
	for {
		if next, ok := q.exchange(before); ok {
			return next
		}
		<-q.wake
	}
}

// finish counts a batch as gone. It tells whether there is time to linger.
func (q *queue) finish(b batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.went += uint64(len(b.ends))
	q.done.Broadcast()
	return len(b.ends) > 0 && !q.closed && q.flushes == 0 && len(q.packets.ends) <= q.limit/2
}

// exchange takes what there is and leaves an empty batch for what comes. If there
// is nothing, and more may come, the next call will wake the goroutine.
func (q *queue) exchange(empty batch) (_ batch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := q.packets
	if len(next.ends) == 0 && !q.closed {
		q.idle = true
		return batch{}, false
	}
	q.idle = false
	q.packets = empty
	return next, true
}

// flush waits until all that came before it went.
func (q *queue) flush(ctx context.Context) error {
	expire := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.done.Broadcast()
	})
	defer expire()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.flushes++
	defer func() { q.flushes-- }()
	q.rouse()
	for upto := q.came; q.went < upto; q.done.Wait() {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.rouse()
}

func (q *queue) waiting() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.came - q.went
}

func (c *Client) enqueue(p *packet) error {
	err := c.queue.put(p.buf)
	if errors.Is(err, ErrFull) {
		c.counts.dropped.Add(1)
	}
	return err
}

// run is the goroutine of a Client with a queue. It returns when the queue is
// closed and empty; link.abort makes that soon.
func (c *Client) run() {
	defer close(c.queue.ended)
	var p packet
	again := time.NewTimer(0)
	defer again.Stop()
	for b := c.queue.swap(batch{}); len(b.ends) > 0; b = c.queue.swap(b) {
		from := 0
		for _, to := range b.ends {
			p.buf = b.data[from:to]
			c.see(&p, again)
			from = to
		}
		p.buf = nil // it would keep the batch
	}
}

// see sees one packet off. While there is no connection it holds it, and with it
// all that follow, so that what the queue has room for outlives a restart of the
// receiver.
func (c *Client) see(p *packet, again *time.Timer) {
	for {
		refusals, err := c.link.hand(p, true)
		switch {
		case errors.Is(err, ErrNotConnected):
			again.Reset(c.options.DialInterval)
			select {
			case <-again.C:
				continue
			case <-c.link.ctx.Done():
				err = ErrFull
			}
		case errors.Is(err, ErrClosed):
			err = ErrFull // Close has no more time: dropped
		}
		_ = c.count(refusals, err) // the caller has long gone; Stats tells
		return
	}
}

// Flush waits until the packets that were queued before it are handed to the
// kernel, or given up and counted, or ctx ends, whose error it returns. Without a
// queue there is nothing to wait for.
func (c *Client) Flush(ctx context.Context) error {
	switch {
	case c.closed.Load():
		return ErrClosed
	case c.queue == nil:
		return nil
	}
	return c.queue.flush(ctx)
}

// Close sends what is queued, for at most Options.CloseTimeout, waits for the
// goroutine and closes the socket. What is left then is dropped, counted in Stats,
// and an error that errors.Is finds to be os.ErrDeadlineExceeded. All later calls,
// and a second Close, return ErrClosed.
func (c *Client) Close() error {
	if c.closed.Swap(true) {
		return ErrClosed
	}
	if c.link == nil {
		return nil
	}
	defer c.link.close()
	if c.queue == nil {
		return nil
	}
	return c.drain()
}

// drain empties the queue and ends the goroutine.
func (c *Client) drain() error {
	c.queue.close()
	timeout := time.NewTimer(c.options.CloseTimeout)
	defer timeout.Stop()
	select {
	case <-c.queue.ended:
		return nil
	case <-timeout.C:
	}
	before := c.counts.dropped.Load()
	c.link.abort()
	<-c.queue.ended
	if n := c.counts.dropped.Load() - before; n > 0 {
		return fmt.Errorf("hermes: close: %d packets dropped: %w", n, os.ErrDeadlineExceeded)
	}
	return nil
}
