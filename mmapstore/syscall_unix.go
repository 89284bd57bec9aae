//go:build unix

package mmapstore

import (
	"errors"

	"golang.org/x/sys/unix"
)

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
