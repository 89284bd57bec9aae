package need

import (
	"os/exec"
	"testing"
)

// Assembly is what the compiler makes of the package under test on Linux on the given
// architecture, in its own listing. It skips the test in short mode and under emulation.
func Assembly(t *testing.T, arch string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles the package")
	}
	Machine(t, "the compiler is the host's")
	cmd := exec.Command("go", "build", "-gcflags=-S", ".")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
