//go:build attack && linux

package attack_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// stage is where the programs of all tests lie, readable for every user: the
// repository may be where other users cannot look.
var stage string

func promfold() string { return filepath.Join(stage, "promfold") }

// itself is a copy of the test binary, for the roles.
func itself() string { return filepath.Join(stage, "attack.test") }

// roles are what the test binary does when it runs itself, with the arguments in
// os.Args[1:]: the files of this package add theirs.
var roles = map[string]func() error{}

const roleVariable = "ATTACK_TEST_ROLE"

// inRole is the command that runs this binary in one of the roles.
func inRole(role string, args ...string) rig.Command {
	if _, ok := roles[role]; !ok {
		panic("no role " + role)
	}
	return rig.Command{Args: append([]string{itself()}, args...), Env: []string{roleVariable + "=" + role}}
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, os.Getenv(roleVariable)+":", err)
			os.Exit(1)
		}
		return
	}
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		code = 1
	}
	os.Exit(code)
}

func prepare(m *testing.M) (code int, err error) {
	if stage, err = os.MkdirTemp("", "promfold-attack-"); err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(stage) }()
	if err := os.Chmod(stage, 0o755); err != nil {
		return 0, err
	}
	if out, err := exec.Command("go", "build", "-o", promfold(), "../cmd/promfold").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build promfold: %w\n%s", err, out)
	}
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	if out, err := exec.Command("cp", exe, itself()).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("copy the test binary: %w\n%s", err, out)
	}
	return m.Run(), nil
}
