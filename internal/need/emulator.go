package need

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// emulator is the command, with its options, under which the tests run the code
// of another machine: what follows -exec of go test. None: it is this machine's.
func emulator() []string { return strings.Fields(os.Getenv("TEST_EMULATOR")) }

// Command is exec.Command for a program of the machine that the test is built
// for, such as the test itself. The kernel need not know how to start it.
func Command(exe string, args ...string) *exec.Cmd {
	if e := emulator(); len(e) > 0 {
		return exec.Command(e[0], append(append(e[1:], exe), args...)...)
	}
	return exec.Command(exe, args...)
}

// Machine skips a test that asks of the machine what an emulator gets wrong. why
// says what that is.
func Machine(t testing.TB, why string) {
	t.Helper()
	if e := emulator(); len(e) > 0 {
		t.Skipf("under %s: %s", e[0], why)
	}
}
