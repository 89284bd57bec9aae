package client

import (
	"os/exec"
	"testing"
)

// Property: an application that imports the package gets nothing besides it but
// the standard library.
func TestDependencies(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := string(out); got != "github.com/promfold/promfold/hermes/client\n" {
		t.Errorf("depends on\n%s", got)
	}
}
