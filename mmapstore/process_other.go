//go:build !linux

package mmapstore

import "os"

// currentProcess describes the calling process. Elsewhere than on Linux we have
// the pid alone, which is no evidence of life: see lock_bsd.go for what is.
func currentProcess() Process { return Process{PID: uint32(os.Getpid())} }
