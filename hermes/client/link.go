package client

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// link keeps one socket connected to the target. To connect to a path or an
// address cannot block, and is done in the turn of a call. A name is looked up
// beside the calls, in a goroutine for which close waits; only where nothing is
// known yet do the calls wait for its result.
type link struct {
	to      target
	options Options
	lookup  func(context.Context) ([]netip.AddrPort, error)
	ctx     context.Context // ends the look-ups; done once the link is closed
	cancel  context.CancelFunc

	// brief is how many packets are still to be sent each over a socket of its own.
	brief atomic.Int32
	// now is the socket in use, nil if there is none. It is written under mu and
	// read without. A reader may find its socket closed, and then asks replace.
	now atomic.Pointer[socket]
	// why is the error of the last attempt or send that failed. It is written under
	// mu before that attempt ends, and read without: who has waited for an attempt
	// and finds no socket finds a reason here, unless the link is closed.
	why atomic.Pointer[error]
	// dialled is the time of the last attempt in nanoseconds since made, 0 before
	// the first. Written under mu.
	dialled atomic.Int64
	made    time.Time

	mu       sync.Mutex    // held by who changes the above; nothing waits under it
	looking  chan struct{} // closed when the look-up under way ends; nil if none is
	lookings sync.WaitGroup
}

func newLink(to target, o Options) *link {
	l := &link{to: to, options: o, lookup: to.lookup, made: time.Now()}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// socket returns the one in use, or makes it.
func (l *link) socket() (*socket, error) {
	if s := l.now.Load(); s != nil {
		if l.to.name != "" && l.due(l.options.LookupInterval) {
			l.reconsider()
		}
		return s, nil
	}
	l.mu.Lock()
	l.renew()
	looking := l.looking
	l.mu.Unlock()
	if looking != nil && l.why.Load() == nil {
		<-looking
	}
	return l.other(nil)
}

// due tells whether the last attempt is at least an interval ago.
func (l *link) due(interval time.Duration) bool {
	last := l.dialled.Load()
	return last == 0 || time.Since(l.made)-time.Duration(last) >= interval
}

// replace returns another socket than s, which failed with cause, or why there is
// none for now. A unix socket that failed is of no more use; a UDP socket may be,
// and stays until there is another.
func (l *link) replace(s *socket, cause error) (*socket, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now.Load() == s {
		err := fmt.Errorf("hermes: send to %v: %w", l.to, cause)
		if s.unix {
			err = fmt.Errorf("%w: send to %v: %w", ErrNotConnected, l.to, cause)
			l.now.Store(nil)
			s.close()
		}
		l.why.Store(&err)
		l.renew()
	}
	return l.other(s)
}

// other returns the socket in use, or if that is none or s, why.
func (l *link) other(s *socket) (*socket, error) {
	if now := l.now.Load(); now != nil && now != s {
		return now, nil
	}
	if l.closed() {
		return nil, ErrClosed
	}
	return nil, *l.why.Load()
}

// reconsider looks the name up again, if there is one.
func (l *link) reconsider() {
	if l.to.name == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renew()
}

// renew makes a socket if an attempt is due, or has it made beside the calls. mu
// is held.
func (l *link) renew() {
	if l.closed() || l.looking != nil || !l.due(l.options.DialInterval) {
		return
	}
	l.attempt()
	if l.to.name == "" {
		l.adopt(l.dial())
		return
	}
	l.looking = make(chan struct{})
	l.lookings.Go(func() {
		s, err := l.dial()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.adopt(s, err)
		close(l.looking)
		l.looking = nil
	})
}

// closed tells whether the link is, or is about to be.
func (l *link) closed() bool { return l.ctx.Err() != nil }

// attempt notes the time of one. mu is held.
func (l *link) attempt() { l.dialled.Store(max(1, int64(time.Since(l.made)))) }

// dial returns a socket: of a name's addresses the first that can be connected to.
func (l *link) dial() (s *socket, err error) {
	if l.to.path != "" {
		return dialUnix(l.to.path)
	}
	if l.to.name == "" {
		return dialUDP(l.to.addr)
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.LookupTimeout)
	defer cancel()
	addrs, err := l.lookup(ctx)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s has no address", l.to.name)
	for _, addr := range addrs {
		if s, err = dialUDP(addr); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// adopt takes the result of dial. A failure leaves the socket in use as it is. mu
// is held.
func (l *link) adopt(s *socket, err error) {
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrNotConnected, err)
		l.why.Store(&err)
	case l.closed():
		s.close()
	default:
		if old := l.now.Swap(s); old != nil {
			old.close()
		}
	}
}

// trouble returns why there is no socket, or nil if there is one, or was no call.
func (l *link) trouble() error {
	why := l.why.Load()
	if why == nil || l.now.Load() != nil || l.closed() {
		return nil
	}
	return *why
}

// abort ends all that waits: a look-up, and a write for room. After it there is
// no other socket.
func (l *link) abort() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.now.Load(); s != nil {
		// It fails only if the socket has been closed, which ends a write as well.
		_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

// close aborts, closes the socket and waits for a look-up.
func (l *link) close() {
	l.abort()
	l.mu.Lock()
	if s := l.now.Swap(nil); s != nil {
		s.close()
	}
	l.mu.Unlock()
	l.lookings.Wait()
}
