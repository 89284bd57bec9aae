//go:build unix

package hermes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// socket is one address on which datagrams come.
//
// Go's poller does not know it: that wakes a thread for each datagram that comes while
// others are waiting, which costs several times what it is to read one, and the sender
// pays a part of it. A goroutine waits in poll(2) instead.
type socket struct {
	address
	local   net.Addr
	name    os.FileInfo // of a unix socket in the file system
	file    *os.File
	raw     syscall.RawConn
	buffer  int           // bytes that the kernel granted for what was not read yet; 0 for a unix socket, whose senders wait
	collect time.Duration // how long to wait for more once something has come

	drops uint32           // as of the last look
	look  func(fd uintptr) // lookAtDrops, bound once

	stopped     atomic.Bool
	wake, waken *os.File // a pipe: a closed wake ends the wait in poll
}

// batchSize is how many datagrams are taken by one system call. More make a call no
// cheaper for each.
const batchSize = 64

// spaceAfter is how many bytes of white space beside Options.MaxPacketSize a datagram
// may have at its end.
const spaceAfter = 1 << 10

// collectTime is how long a socket collects datagrams before they are read, which is
// enough for a batch under load. It may become ten times as long on a busy machine, so
// a buffer must hold what the fastest sender sends by then; smaller ones are read at once.
const (
	collectTime   = 100 * time.Microsecond
	collectBuffer = 2 << 20
)

func listen(a address, buffer int, log *slog.Logger) (*socket, error) {
	s, err := newSocket(a)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a.where, err)
	}
	if a.network == "udp" {
		err = s.enlarge(buffer)
	}
	if s.buffer >= collectBuffer {
		s.collect = collectTime
	}
	if err == nil {
		s.waken, s.wake, err = os.Pipe()
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("listen on %s: %w", a.where, err)
	}
	s.report(buffer, log)
	return s, nil
}

// newSocket listens, and takes the socket out of Go's poller.
func newSocket(a address) (*socket, error) {
	open := listenUDP
	if a.network == "unixgram" {
		open = listenUnix
	}
	conn, err := open(a)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	s := &socket{address: a, local: conn.LocalAddr()}
	s.look = s.lookAtDrops
	if a.network == "unixgram" {
		if s.name, err = os.Lstat(a.where); err != nil {
			return nil, err
		}
	}
	if s.file, err = blocking(conn.(syscall.Conn)); err != nil {
		return nil, err
	}
	s.raw, err = s.file.SyscallConn()
	return s, err
}

// blocking is the same socket in a file of its own, of which Go's poller does not know
// as reading it may block. Datagrams are taken by calls that do not.
func blocking(conn syscall.Conn) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	closed := raw.Control(func(original uintptr) {
		if fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, false)
		}
	})
	if err := errors.Join(closed, err); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "datagrams"), nil
}

// close lets go of the socket, and of its name in the file system.
func (s *socket) close() {
	if now, err := os.Lstat(s.where); err == nil && s.name != nil && os.SameFile(now, s.name) {
		_ = os.Remove(s.where) // unless another has taken the place
	}
	for _, f := range []*os.File{s.file, s.wake, s.waken} {
		_ = f.Close() // nil if there is none
	}
}

func listenUDP(a address) (net.PacketConn, error) {
	return new(net.ListenConfig).ListenPacket(context.Background(), "udp", a.where)
}

// listenUnix makes a socket, in the place of one that nobody listens on any more.
func listenUnix(a address) (net.PacketConn, error) {
	if err := clearPath(a.where); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		// Linux gives the file what the socket has, less the umask, so that it never
		// has more than it is to have. Others do as the umask says until Chmod.
		return raw.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), uint32(a.mode)) })
	}}
	conn, err := config.ListenPacket(context.Background(), "unixgram", a.where)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(a.where, a.mode); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// clearPath removes a socket that was left behind by somebody who died, and nothing
// else: to connect to a file that is none is refused as well.
func clearPath(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return errors.New("it is there, and is no socket")
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		_ = conn.Close()
		return errors.New("somebody listens there")
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// enlarge asks for a buffer of so many bytes: beyond the limit of the system first,
// which CAP_NET_ADMIN may have, and else as far as that goes.
func (s *socket) enlarge(buffer int) error {
	var err error
	closed := s.raw.Control(func(fd uintptr) {
		if forceReceiveBuffer(int(fd), buffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		}
		s.buffer, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return errors.Join(closed, err)
}

// report says where the socket listens, and whether its buffer is small.
func (s *socket) report(asked int, log *slog.Logger) {
	log = log.With("address", s.local, "network", s.network)
	if s.network == "unixgram" {
		log.Info("Listening for Hermes datagrams")
		return
	}
	log.Info("Listening for Hermes datagrams", "receive_buffer_bytes", s.buffer)
	var err error
	if s.raw.Control(func(fd uintptr) { _, err = sys.Drops(fd) }) == nil && err != nil {
		log.Warn("The kernel does not say how many datagrams it drops: they are not counted", "err", err)
	}
	if s.buffer < asked {
		log.Warn("The kernel gives the socket a smaller receive buffer than was asked for, so that a burst may lose datagrams; "+
			"raise net.core.rmem_max, or give the capability NET_ADMIN",
			"asked_bytes", asked, "granted_bytes", s.buffer)
	}
}

// receive waits for datagrams, and calls handle for each batch of them, until stop is
// called.
func (s *socket) receive(batch *sys.Datagrams, handle func(n int)) error {
	var err error
	closed := s.raw.Control(func(fd uintptr) {
		for err == nil && !s.stopped.Load() {
			var n int
			switch n, err = batch.Receive(fd); {
			case err == nil:
				handle(n)
			case errors.Is(err, unix.EAGAIN):
				err = s.await(fd)
			}
		}
	})
	if err := errors.Join(closed, err); err != nil {
		return fmt.Errorf("receive on %s: %w", s.local, err)
	}
	return nil
}

// await waits until there are datagrams, and then a little longer, as where one has come
// others mostly follow; or until stop is called.
func (s *socket) await(fd uintptr) error {
	ready := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(s.waken.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(ready[:], -1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	if s.collect > 0 && !s.stopped.Load() {
		time.Sleep(s.collect)
	}
	return nil
}

// drain is receive for what is there already.
func (s *socket) drain(batch *sys.Datagrams, handle func(n int)) error {
	var n int
	var err error
	take := func(fd uintptr) { n, err = batch.Receive(fd) }
	for end := time.Now().Add(drainTimeout); time.Now().Before(end); {
		closed := s.raw.Control(take)
		switch {
		case closed != nil:
			return closed
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("receive on %s: %w", s.local, err)
		}
		handle(n)
	}
	return nil
}

// drainTimeout is how long datagrams are drained that come and come, where refuse
// cannot hold them off.
const drainTimeout = time.Second

// refuse makes the kernel turn away whoever sends from now on, who learns it, instead of
// keeping what nobody would read. A UDP socket that is connected to itself takes nothing
// from others.
func (s *socket) refuse() {
	_ = s.raw.Control(func(fd uintptr) {
		if s.network == "unixgram" {
			_ = unix.Shutdown(int(fd), unix.SHUT_RD)
			return
		}
		if own, err := unix.Getsockname(int(fd)); err == nil {
			_ = unix.Connect(int(fd), own)
		}
	})
}

// stop ends receive.
func (s *socket) stop() {
	s.stopped.Store(true)
	_ = s.wake.Close()
}

// dropped is how many datagrams the kernel has dropped since the last call. A drop
// needs a full buffer, so a datagram that comes is received after it.
func (s *socket) dropped() uint32 {
	before := s.drops
	_ = s.raw.Control(s.look) // closed: there are no more
	return s.drops - before
}

// lookAtDrops does not know of new ones where the kernel does not tell.
func (s *socket) lookAtDrops(fd uintptr) {
	if n, err := sys.Drops(fd); err == nil {
		s.drops = n
	}
}
