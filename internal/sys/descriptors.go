//go:build unix

package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReserveDescriptors makes the kernel's table of descriptors large enough for n of them,
// as far as the limit of the process goes. Linux doubles the table when it is full, and
// waits each time, for milliseconds, until no thread can be looking at the old one: in
// the middle of a first scrape that is most of what it takes.
func ReserveDescriptors(n int) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	last := min(uint64(n), uint64(limit.Cur)) //nolint:unconvert // an int64 on FreeBSD
	f, err := os.Open(os.DevNull)
	if err != nil || last == 0 {
		return // the first scrape will wait
	}
	defer f.Close()
	_ = OnFD(f, func(fd uintptr) error {
		high, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, int(last)-1)
		if err != nil {
			return err
		}
		return unix.Close(high)
	})
}

// HoldDescriptors takes the n lowest descriptors that are free, or as many as there are,
// until release is called.
func HoldDescriptors(n int) (release func()) {
	var held []*os.File
	for range n {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		held = append(held, f)
	}
	return func() {
		for _, f := range held {
			f.Close()
		}
	}
}
