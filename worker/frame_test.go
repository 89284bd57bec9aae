package worker

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// Property: counting needs no frame, whose making would cost as much as a part of the
// locked add: see waiting.go. The compiler is asked.
func TestCountingNeedsNoFrame(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package")
	}
	need.Machine(t, "the compiler is the host's")
	cmd := exec.Command("go", "build", "-gcflags=-S", ".")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, method := range []string{`counter\)\.Inc`, `counter\)\.Add`, `histogram\)\.Observe`, `summary\)\.Observe`} {
		text := regexp.MustCompile(`(?m)^\S*/worker\.\(\*` + method + ` STEXT .*$`).Find(out)
		if text == nil || !regexp.MustCompile(` nosplit .* locals=0x0 `).Match(text) {
			t.Errorf("%s: %s", method, text)
		}
	}
}
