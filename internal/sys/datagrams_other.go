//go:build unix && !linux

package sys

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Datagrams receives datagrams one by one. It is for one goroutine.
type Datagrams struct {
	buffer []byte
	length int
}

// NewDatagrams makes room for one datagram of at most size bytes.
func NewDatagrams(_, size int) *Datagrams { return &Datagrams{buffer: make([]byte, size+1)} }

// Receive takes one datagram. It does not wait: with none there it fails with EAGAIN.
func (d *Datagrams) Receive(fd uintptr) (n int, err error) {
	err = RetryEINTR(func() error {
		d.length, _, err = unix.Recvfrom(int(fd), d.buffer, unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// Datagram is what was received, and whether it is only the beginning of one that was
// too large.
func (d *Datagrams) Datagram(int) (b []byte, cut bool) {
	size := len(d.buffer) - 1
	return d.buffer[:min(d.length, size)], d.length > size
}

// Drops is not known.
func Drops(uintptr) (uint32, error) { return 0, errors.ErrUnsupported }
