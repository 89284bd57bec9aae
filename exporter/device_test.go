//go:build unix

package exporter_test

import "golang.org/x/sys/unix"

// mknodZero makes another /dev/zero.
func mknodZero(path string) error {
	return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))
}
