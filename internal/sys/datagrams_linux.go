package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Datagrams receives many datagrams by one system call. It is for one goroutine.
//
// This is the one use of unsafe outside of mmapstore: the kernel is given the
// addresses of arrays that are kept here, alive and in their place, which neither
// the standard library nor golang.org/x/sys can do. golang.org/x/net can, but
// allocates an address for each datagram.
type Datagrams struct {
	headers []messageHeader
	// vectors and buffers are what the headers point to. The kernel writes through
	// these pointers during a call of Receive alone.
	vectors []unix.Iovec
	buffers [][]byte
}

// messageHeader is the kernel's struct mmsghdr.
type messageHeader struct {
	unix.Msghdr
	length uint32
}

// NewDatagrams makes room for n datagrams of at most size bytes.
func NewDatagrams(n, size int) *Datagrams {
	d := &Datagrams{
		headers: make([]messageHeader, n), vectors: make([]unix.Iovec, n), buffers: make([][]byte, n),
	}
	// Buffers begin an odd number of cache lines apart, or else all beginnings, which are
	// mostly all that is touched, would share a few places in the processor's cache.
	const line = 64
	apart := (size+line-1)/line*line | line
	all := make([]byte, n*apart)
	for i := range n {
		d.buffers[i] = all[i*apart:][:size:size]
		d.vectors[i].Base = &d.buffers[i][0]
		d.vectors[i].SetLen(size)
		d.headers[i].Iov = &d.vectors[i]
		d.headers[i].SetIovlen(1)
	}
	return d
}

// Receive takes as many datagrams as are there and have room. It does not wait: with
// none there it fails with EAGAIN. What was received before is overwritten.
func (d *Datagrams) Receive(fd uintptr) (n int, err error) {
	for {
		got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&d.headers[0])), uintptr(len(d.headers)),
			unix.MSG_DONTWAIT, 0, 0)
		runtime.KeepAlive(d)
		switch errno {
		case 0:
			return int(got), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// Datagram is the i-th that was received, and whether it is only the beginning of
// one that was too large.
func (d *Datagrams) Datagram(i int) (b []byte, cut bool) {
	h := &d.headers[i]
	return d.buffers[i][:h.length], h.Flags&unix.MSG_TRUNC != 0
}

// memInfoDrops is the index of the drops in what SO_MEMINFO tells.
const memInfoDrops = 8

// Drops is how many datagrams the kernel has dropped since a socket was made, modulo
// 2^32, because its buffer was full or they were damaged. It is the column drops of
// /proc/net/udp. It fails with ENOPROTOOPT before Linux 4.12.
func Drops(fd uintptr) (uint32, error) {
	var info [memInfoDrops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return info[memInfoDrops], nil
}
