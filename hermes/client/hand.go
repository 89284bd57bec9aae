package client

import (
	"errors"
	"fmt"
	"syscall"
)

// tries is how often one packet is written at most. The first write after a
// refusal reports that; with several goroutines on one socket the second may
// report the refusal of yet another packet.
const tries = 4

// hand gives one packet to the kernel. It returns how often the kernel reported
// instead that an earlier packet was refused; an error means that this one was
// not sent. With wait it waits for room in the kernel.
func (l *link) hand(p *packet, wait bool) (refusals uint64, err error) {
	if l.brief.Load() > 0 && l.brief.Add(-1) >= 0 {
		return 0, l.once(p)
	}
	s, err := l.socket()
	if err != nil {
		return 0, err
	}
	var cause error
	for range tries {
		cause = s.send(p, wait)
		switch {
		case cause == nil, isFull(cause), errors.Is(cause, syscall.EMSGSIZE):
			return refusals, l.told(p, cause)
		case s.earlier(cause):
			refusals++
			l.reconsider()
		default:
			if s, err = l.replace(s, cause); err != nil {
				return refusals, err
			}
		}
	}
	return refusals, l.told(p, cause)
}

// once sends p as Hermes' client does, over a socket that is closed then. If there
// is no connection the calls that follow are not to try each for itself.
func (l *link) once(p *packet) error {
	s, err := l.dial()
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.brief.Store(0)
		l.attempt()
		l.adopt(nil, err)
		if l.closed() {
			return ErrClosed
		}
		return *l.why.Load()
	}
	defer s.close()
	return l.told(p, s.send(p, false))
}

// told is what the caller is told of what the kernel said to p.
func (l *link) told(p *packet, cause error) error {
	switch {
	case cause == nil:
		return nil
	case isFull(cause):
		return ErrFull
	case errors.Is(cause, syscall.EMSGSIZE):
		return fmt.Errorf("%w: %d bytes: %w", ErrTooLarge, len(p.buf), cause)
	}
	return fmt.Errorf("hermes: send to %v: %w", l.to, cause)
}
