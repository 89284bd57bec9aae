package client

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// socket is one connected datagram socket. Goroutines may share it, also with
// the one that closes it.
type socket struct {
	conn net.Conn
	raw  syscall.RawConn
	unix bool
}

func dialUDP(addr netip.AddrPort) (*socket, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn}
	return s.open(conn)
}

func dialUnix(path string) (*socket, error) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, unix: true}
	return s.open(conn)
}

func (s *socket) open(conn syscall.Conn) (_ *socket, err error) {
	if s.raw, err = conn.SyscallConn(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends the use of the descriptor. What was sent has left it, so an error has
// nothing to tell.
func (s *socket) close() { _ = s.conn.Close() }

// send hands p to the kernel. Without wait it returns at once, with an error that
// isFull knows if there is no room; with wait it returns when there was room or
// the socket's write deadline has come.
func (s *socket) send(p *packet, wait bool) error {
	if wait {
		_, err := s.conn.Write(p.buf)
		return err
	}
	return s.try(p)
}

// earlier tells whether err is of an earlier datagram: a connected UDP socket
// reports at the next send that one was refused, and does not send then.
func (s *socket) earlier(err error) bool {
	return !s.unix && errors.Is(err, syscall.ECONNREFUSED)
}

func isFull(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS)
}
