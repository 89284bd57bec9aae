//go:build unix

// Package sys makes system calls on files the way Go needs them made.
package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OnFD calls do with the descriptor of f, again when a signal interrupts it. A
// Close elsewhere waits, so that do never meets a number which by now belongs to
// another file: a lock asked of a stranger is a wrong verdict.
func OnFD(f *os.File, do func(fd uintptr) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var answer error
	err = c.Control(func(fd uintptr) {
		answer = RetryEINTR(func() error { return do(fd) })
	})
	if err == nil {
		return answer // alone: to join it would allocate for each writer that lives
	}
	return err // do was not called
}

// RetryEINTR calls f until a signal does not interrupt it. The Go runtime
// preempts goroutines by signals, so any slow call may be interrupted.
func RetryEINTR(f func() error) error {
	for {
		err := f()
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
