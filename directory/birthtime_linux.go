package directory

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// birthTime is when a file was made, in Unix nanoseconds, or where the file
// system does not know, when it was last changed.
func birthTime(f *os.File, info os.FileInfo) int64 {
	var st unix.Statx_t
	err := sys.OnFD(f, func(fd uintptr) error {
		return unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st)
	})
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return info.ModTime().UnixNano()
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
}
