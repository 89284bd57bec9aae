//go:build image

package image

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// network is a network namespace with a loopback interface and nothing else, so
// that every port in it is free. A thread of its own is in it; what that thread
// starts or opens is in it, too, and stays so when another thread uses it.
type network struct {
	work chan func()
}

// newNetwork makes a network that ends with the test.
func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{work: make(chan func())}
	entered, left := make(chan error), make(chan struct{})
	go func() {
		defer close(left)
		// Never unlocked: the thread ends with the goroutine, and no other gets it.
		runtime.LockOSThread()
		entered <- enter()
		for work := range n.work {
			work()
		}
	}()
	t.Cleanup(func() {
		close(n.work)
		<-left
	})
	if err := <-entered; err != nil {
		skip(t, "no network namespace: "+err.Error())
	}
	return n
}

// enter puts the thread into a new namespace and turns loopback on.
func enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	loopback, err := unix.NewIfreq("lo")
	if err == nil {
		loopback.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, loopback)
	}
	return errors.Join(err, unix.Close(s))
}

// do runs something in the network.
func (n *network) do(what func() error) error {
	done := make(chan error)
	n.work <- func() { done <- what() }
	return <-done
}

// dial connects from the network. The address has no name to be looked up, so
// that one goroutine does it all.
func (n *network) dial(_ context.Context, kind, address string) (conn net.Conn, err error) {
	err = n.do(func() (err error) {
		conn, err = net.Dial(kind, address)
		return err
	})
	return conn, err
}
