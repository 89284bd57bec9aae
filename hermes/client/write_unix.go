//go:build unix

package client

import (
	"errors"
	"syscall"
)

// try writes without ever waiting. Control and not Write of the net package, or
// of RawConn: those wait in the poller for room, and let one goroutine at a time
// write. The descriptor is non-blocking, as all of the net package are.
func (s *socket) try(p *packet) error {
	if err := s.raw.Control(p.send); err != nil {
		return err
	}
	return p.err
}

func (p *packet) write(fd uintptr) {
	for {
		_, err := syscall.Write(int(fd), p.buf)
		if !errors.Is(err, syscall.EINTR) {
			p.err = err
			return
		}
	}
}
