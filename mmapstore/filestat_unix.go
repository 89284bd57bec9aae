//go:build unix

package mmapstore

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileStat asks how large a file is, which each scrape does and os.File.Stat
// allocates for. It is for one goroutine at a time.
type fileStat struct {
	conn syscall.RawConn
	st   unix.Stat_t
	err  error
	ask  func(fd uintptr) // made once: it fills st and err
}

func newFileStat(f *os.File) *fileStat {
	s := &fileStat{}
	s.conn, s.err = f.SyscallConn()
	s.ask = func(fd uintptr) { s.err = unix.Fstat(int(fd), &s.st) }
	return s
}

// read returns the size in bytes and the number of blocks that it takes.
func (s *fileStat) read() (size, blocks int64, err error) {
	if s.conn == nil {
		return 0, 0, s.err
	}
	if err := s.conn.Control(s.ask); err != nil {
		return 0, 0, err
	}
	return s.st.Size, s.st.Blocks, s.err
}
