//go:build unix

package mmapstore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// onFD calls do with the descriptor of f, again when a signal interrupts it. A
// Close elsewhere waits, so that do never meets a number which by now belongs to
// another file: a lock asked of a stranger is a wrong verdict.
func onFD(f *os.File, do func(fd uintptr) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var answer error
	err = c.Control(func(fd uintptr) {
		answer = retryEINTR(func() error { return do(fd) })
	})
	return errors.Join(err, answer)
}

// retryEINTR calls f until a signal does not interrupt it. The Go runtime
// preempts goroutines by signals, so any slow call may be interrupted.
func retryEINTR(f func() error) error {
	for {
		err := f()
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
