package mmapstore

import (
	"errors"
	"math"
	"runtime"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/sys"
)

// probeLease asks for a read lease, which the kernel refuses exactly while
// somebody has the file open for writing. Only the owner of the file, or root
// with CAP_LEASE, may ask.
//
// While a lease is held, an open for writing elsewhere waits for it. So the
// four calls stand together, on one thread, with no lock held and nothing
// between them; and the lease is given up explicitly, because a copy of the
// descriptor in a forked child would keep it beyond a close. SIGURG, which the
// Go runtime uses and ignores, takes the place of SIGIO.
func probeLease(s Suspect) State {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := sys.OnFD(s.File, func(fd uintptr) error {
		_, _ = unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGURG))
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
		if err == nil {
			_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
		return err
	})
	switch {
	case err == nil:
		return Dead
	case errors.Is(err, unix.EAGAIN):
		return Alive
	default:
		return CannotTell // EACCES: not ours; EINVAL: no leases on this file system
	}
}

// probePID looks the process up, if the file names it and its pid means the
// same to us: same boot, same pid namespace. A pid is used again, a pid with
// its start time is not.
func probePID(s Suspect) State {
	p := s.Process
	if p == nil && s.PID > 0 {
		return probeBarePID(s)
	}
	self := ownProcess()
	if p == nil || p.PID == 0 || p.PID > math.MaxInt32 || p.StartTicks == 0 || p.BootID == [16]byte{} || p.PIDNamespace == 0 ||
		p.BootID != self.BootID || p.PIDNamespace != self.PIDNamespace {
		return CannotTell
	}
	// The kernel answers for every process; /proc may hide those of others.
	if err := unix.Kill(int(p.PID), 0); errors.Is(err, unix.ESRCH) {
		return Dead
	}
	proc, err := procfs.NewProc(int(p.PID))
	if err != nil {
		return Alive
	}
	stat, err := proc.Stat()
	if err != nil {
		return Alive
	}
	// The first thread may have ended (Z) while others run on.
	gone := (stat.State == "Z" || stat.State == "X") && stat.NumThreads <= 1
	if gone || stat.Starttime != p.StartTicks {
		return Dead
	}
	return Alive
}

// probeBarePID looks up a pid that a file names without telling when its process
// started or in which namespace it ran.
func probeBarePID(s Suspect) State {
	switch {
	case pidExists(s.PID):
		return Alive
	case s.SamePIDNamespace:
		return Dead
	default:
		return CannotTell
	}
}

// pidExists reports whether the pid is a process's, and not our own: we write no
// such file. In a pid namespace of our own, our threads have just the numbers that
// an application's workers have in theirs; kill would take them for processes.
func pidExists(pid int) bool {
	if pid == unix.Getpid() {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case err == nil:
		_ = unix.Close(fd)
		return true
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // a thread of some process
		return false
	default: // ESRCH, or the kernel has no such call
		return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) // EPERM: it is another user's
	}
}
