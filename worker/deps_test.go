package worker

import (
	"os/exec"
	"strings"
	"testing"
)

// An application that imports the package gets the standard library,
// client_golang with what that needs itself, and two small modules.
func TestDependencies(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	allowed := map[string]bool{
		"github.com/promfold/promfold":        true,
		"github.com/edsrzf/mmap-go":           true,
		"golang.org/x/sys":                    true,
		"github.com/prometheus/client_golang": true,
		"github.com/prometheus/client_model":  true,
		"github.com/prometheus/common":        true,
		"github.com/prometheus/procfs":        true,
		"github.com/beorn7/perks":             true,
		"github.com/cespare/xxhash/v2":        true,
		"github.com/munnerz/goautoneg":        true,
		"google.golang.org/protobuf":          true,
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{.Module.Path}} {{.ImportPath}}{{end}}", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		module, pkg, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !allowed[module] {
			t.Errorf("depends on %s", pkg)
		}
		if within, ok := strings.CutPrefix(pkg, "github.com/promfold/promfold/"); ok && within != "worker" && within != "mmapstore" && !strings.HasPrefix(within, "internal/") {
			t.Errorf("depends on %s", pkg)
		}
	}
}
