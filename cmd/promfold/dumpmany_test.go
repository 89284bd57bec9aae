//go:build unix

package main_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/stocktest"
)

// Property: dump and check need no more descriptors for many files than for one.
func TestMoreFilesThanDescriptors(t *testing.T) {
	const files, descriptors = 60, 20
	dir := t.TempDir()
	for i := range files {
		stocktest.Counter(t, dir, fmt.Sprint(5_000_000+i), 2).Close()
		count(t, dir, 1)
	}
	for command, want := range map[string]string{"dump": "\njobs_total 60\n", "check": ".pfm: OK\n"} {
		cmd := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, descriptors), "sh", binary, command, dir)
		cmd.Env = cleanEnv()
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v: %s", command, err, stderr.String())
		}
		if out := "\n" + stdout.String(); !strings.Contains(out, want) || command == "dump" && !strings.Contains(out, "\nc_total 120\n") {
			t.Errorf("%s: no %q in\n%s", command, want, out)
		}
	}
	if r := run(t, append([]string{"dump"}, workerFiles(t, dir)...)...); r.code != 0 || !strings.Contains("\n"+r.stdout, "\njobs_total 60\n") {
		t.Errorf("dump of files: %+v", r)
	}
}
