//go:build unix && !linux

package sys

import "golang.org/x/sys/unix"

// eachEntry calls f for each entry of a directory in b.
func eachEntry(b []byte, dev uint64, f func(Entry)) {
	_, _, names := unix.ParseDirent(b, -1, nil)
	for _, name := range names {
		f(Entry{Name: []byte(name), Dev: dev})
	}
}
