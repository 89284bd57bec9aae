package client

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// link keeps one socket connected to the target. A dial takes place in the turn
// of a call if it cannot block: to a path or an address, and the first look-up of
// a name, for which the first calls wait. Later look-ups take place beside the
// calls, in a goroutine for which close waits.
type link struct {
	to      target
	options Options
	lookup  func(context.Context) ([]netip.AddrPort, error)
	ctx     context.Context // ends the look-ups
	cancel  context.CancelFunc

	// now is the socket in use, nil if there is none. It is written under mu and
	// read without. A reader may find its socket closed, and then asks replace.
	now atomic.Pointer[socket]
	// dialled is the time of the last attempt in nanoseconds since made, 0 before
	// the first. Written under mu.
	dialled atomic.Int64
	made    time.Time

	mu       sync.Mutex // guards what follows
	why      error      // of the last attempt that failed
	closed   bool
	looking  bool // a look-up is under way
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
			l.reconsider(ageing)
		}
		return s, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.now.Load(); s != nil {
		return s, nil
	}
	return l.renew()
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
	now := l.now.Load()
	if now != nil && now != s {
		return now, nil
	}
	if now == s && !l.closed {
		l.why = fmt.Errorf("hermes: send to %v: %w", l.to, cause)
		if s.unix {
			l.why = fmt.Errorf("%w: send to %v: %w", ErrNotConnected, l.to, cause)
			l.now.Store(nil)
			s.close()
		}
	}
	return l.renew()
}

// renew makes a socket if an attempt is due. mu is held.
func (l *link) renew() (*socket, error) {
	if l.closed {
		return nil, ErrClosed
	}
	if !l.due(l.options.DialInterval) {
		return nil, l.why
	}
	if l.to.name != "" && l.dialled.Load() != 0 {
		l.look(failing)
		return nil, l.why
	}
	l.attempt()
	s, err := l.dial(nil, failing)
	l.adopt(s, err)
	if err != nil {
		return nil, l.why
	}
	return s, nil
}

// attempt notes the time of one. mu is held.
func (l *link) attempt() { l.dialled.Store(max(1, int64(time.Since(l.made)))) }

// reconsider looks the name up again, if there is one, beside the calls.
func (l *link) reconsider(why reason) {
	if l.to.name == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && l.due(l.options.DialInterval) {
		l.look(why)
	}
}

// look starts a look-up unless one is under way. mu is held.
func (l *link) look(why reason) {
	if l.looking {
		return
	}
	l.looking = true
	l.attempt()
	old := l.now.Load()
	l.lookings.Go(func() {
		s, err := l.dial(old, why)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.looking = false
		l.adopt(s, err)
	})
}

// dial returns a socket, or none and no error if old is the one to keep.
func (l *link) dial(old *socket, why reason) (*socket, error) {
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
	if old == nil {
		return dialUDP(addrs[0])
	}
	addr := choose(addrs, old.addr, why)
	if addr == old.addr && why != failing {
		return nil, nil
	}
	return dialUDP(addr)
}

// adopt takes the result of dial. A failure leaves the socket in use as it is. mu
// is held.
func (l *link) adopt(s *socket, err error) {
	switch {
	case err != nil:
		l.why = fmt.Errorf("%w: %w", ErrNotConnected, err)
	case s == nil:
	case l.closed:
		s.close()
	default:
		if old := l.now.Swap(s); old != nil {
			old.close()
		}
	}
}

// trouble returns why there is no socket, or nil if there is one, or was no call.
func (l *link) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.now.Load() != nil {
		return nil
	}
	return l.why
}

// abort ends all that waits: a look-up, and a write for room. After it there is
// no other socket.
func (l *link) abort() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
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
