//go:build unix

package directory

import (
	"os"
	"syscall"

	"github.com/promfold/promfold/aggregate"
)

// inodeOf is the zero Inode where the system does not tell.
func inodeOf(info os.FileInfo) aggregate.Inode {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return aggregate.Inode{}
	}
	return aggregate.Inode{Dev: uint64(st.Dev), Ino: uint64(st.Ino)} //nolint:unconvert // types differ between systems
}

// links is how many names a file has, 1 where the system does not tell.
func links(info os.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return uint64(st.Nlink) //nolint:unconvert // types differ between systems
}
