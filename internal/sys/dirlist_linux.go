package sys

import (
	"bytes"
	"encoding/binary"
)

// An entry as the kernel writes it: inode, position of the next, length of the
// entry, type, name with a zero behind it.
const (
	direntLength = 16 // where the length is
	direntName   = 19 // where the name is
)

// eachEntry calls f for each entry of a directory in b.
func eachEntry(b []byte, dev uint64, f func(Entry)) {
	for len(b) >= direntName {
		ino := binary.NativeEndian.Uint64(b)
		n := int(binary.NativeEndian.Uint16(b[direntLength:]))
		if n < direntName || n > len(b) {
			return
		}
		name, _, _ := bytes.Cut(b[direntName:n], []byte{0})
		b = b[n:]
		if ino == 0 || string(name) == "." || string(name) == ".." {
			continue // with inode 0 it was removed
		}
		f(Entry{name, dev, ino})
	}
}
