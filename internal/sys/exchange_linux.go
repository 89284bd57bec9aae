package sys

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Exchange swaps what two names of the directory lead to, in one step; where there
// is nothing under the second it renames, and so it does where the system cannot
// exchange.
func (d *Dir) Exchange(name, other string) error {
	err := d.do("exchange", name, func(fd int) error {
		return unix.Renameat2(fd, name, fd, other, unix.RENAME_EXCHANGE)
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return d.Rename(name, d, other)
	}
	return err
}
