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
	s, err := l.socket()
	if err != nil {
		return 0, err
	}
	var cause error
	for range tries {
		cause = s.send(p, wait)
		switch {
		case cause == nil:
			return refusals, nil
		case isFull(cause):
			return refusals, ErrFull
		case errors.Is(cause, syscall.EMSGSIZE):
			return refusals, fmt.Errorf("%w: %d bytes: %w", ErrTooLarge, len(p.buf), cause)
		case s.earlier(cause):
			refusals++
			l.reconsider(refused)
		default:
			if s, err = l.replace(s, cause); err != nil {
				return refusals, err
			}
		}
	}
	return refusals, fmt.Errorf("hermes: send to %v: %w", l.to, cause)
}
