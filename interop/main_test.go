//go:build interop && linux

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/need"
)

// stage is where the parts of all tests lie, readable for every user: the
// repository may be where other users cannot look.
var stage string

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (code int, err error) {
	if stage, err = os.MkdirTemp("", "promfold-interop-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(stage)
	if err := os.Chmod(stage, 0o755); err != nil {
		return 0, err
	}
	if out, err := exec.Command("go", "build", "-o", promfold(), "../cmd/promfold").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build promfold: %w\n%s", err, out)
	}
	for from, to := range map[string]string{"../examples": example(""), "testdata": testdata(""), "../bin/interop/venv": venv("")} {
		if _, err := os.Stat(from); err != nil {
			continue // missed by the test that needs it
		}
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("copy %s: %w\n%s", from, err, out)
		}
		if out, err := exec.Command("chmod", "-R", "a+rX", to).CombinedOutput(); err != nil {
			return 0, fmt.Errorf("open %s for all: %w\n%s", to, err, out)
		}
	}
	return m.Run(), nil
}

func promfold() string            { return filepath.Join(stage, "promfold") }
func example(path string) string  { return filepath.Join(stage, "examples", path) }
func testdata(path string) string { return filepath.Join(stage, "testdata", path) }
func venv(path string) string     { return filepath.Join(stage, "venv", path) }

// A stage's own interpreter cannot be moved, but called by its path it finds the
// packages beside it.
func venvPython() string { return venv("bin/python") }

const systemPython = "/usr/bin/python3"

// needThat skips the test where its parts are not there.
func needThat(t *testing.T, there bool, what string) {
	t.Helper()
	need.That(t, there, what, ".ci/install-interop installs it")
}

// needPython needs an interpreter that has the modules.
func needPython(t *testing.T, python string, modules ...string) {
	t.Helper()
	for _, module := range modules {
		err := exec.Command(python, "-c", "import "+module).Run()
		needThat(t, err == nil, fmt.Sprintf("%s for %s", module, python))
	}
}

func needProgram(t *testing.T, program string) {
	t.Helper()
	_, err := exec.LookPath(program)
	needThat(t, err == nil, program)
}
