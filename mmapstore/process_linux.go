package mmapstore

import (
	"encoding/hex"
	"os"
	"strings"
	"sync"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ownProcess is currentProcess, found out once: nothing of it changes.
var ownProcess = sync.OnceValue(currentProcess)

// currentProcess describes the calling process. What cannot be found out stays
// zero, and is then no evidence.
func currentProcess() Process {
	p := Process{PID: uint32(os.Getpid())}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(id)), "-", ""))
		if err == nil {
			copy(p.BootID[:], b)
		}
	}
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) == nil {
		p.PIDNamespace = st.Ino
	}
	if self, err := procfs.Self(); err == nil {
		if stat, err := self.Stat(); err == nil {
			p.StartTicks = stat.Starttime
		}
	}
	return p
}
