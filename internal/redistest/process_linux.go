package redistest

import "syscall"

// dieWithTest has the kernel kill the server when the test dies without cleaning up.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
