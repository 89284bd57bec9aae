package image

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const repository = "../.."

// parse reads a Dockerfile as BuildKit does: an instruction or flag that it does
// not know is an error.
func parse(t *testing.T, path string) []instructions.Stage {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range file.Warnings {
		t.Errorf("%s: %s", path, w.Short)
	}
	stages, _, err := instructions.Parse(file.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// commands are the instructions of one kind in a stage.
func commands[C instructions.Command](s instructions.Stage) []C {
	var found []C
	for _, c := range s.Commands {
		if c, is := c.(C); is {
			found = append(found, c)
		}
	}
	return found
}

// The image has nothing but what the build stage made and the license, and runs
// as a number that is not root.
func TestFinalStage(t *testing.T) {
	stages := parse(t, repository+"/Dockerfile")
	final := stages[len(stages)-1]
	if final.BaseName != "scratch" {
		t.Errorf("the last stage is from %s", final.BaseName)
	}
	users := commands[*instructions.UserCommand](final)
	if len(users) == 0 {
		t.Fatal("no USER: it runs as root")
	}
	for id := range strings.SplitSeq(users[len(users)-1].User, ":") {
		// A name cannot be looked up in an empty image, and kubelet cannot tell that it is not root.
		if n, err := strconv.ParseUint(id, 10, 31); err != nil || n == 0 {
			t.Errorf("USER %s: not numbers above 0", users[len(users)-1].User)
		}
	}
	if e := commands[*instructions.ExposeCommand](final); len(e) != 1 || !slices.Equal(e[0].Ports, []string{"9500"}) {
		t.Errorf("EXPOSE is not 9500: %v", e)
	}
	e := commands[*instructions.EntrypointCommand](final)
	if len(e) != 1 || e[0].PrependShell || !slices.Equal(e[0].CmdLine, []string{"/promfold"}) {
		t.Errorf("ENTRYPOINT is not [\"/promfold\"], and there is no shell: %v", e)
	}
	if r := commands[*instructions.RunCommand](final); len(r) > 0 {
		t.Errorf("RUN in an image without a shell: %v", r)
	}
}

// The toolchain of the build stage is the one that go.mod asks for: an older one
// refuses to build, and may not download another.
func TestToolchain(t *testing.T) {
	mod, err := os.ReadFile(repository + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod)
	if want == nil {
		t.Fatal("go.mod asks for no version")
	}
	build := parse(t, repository+"/Dockerfile")[0]
	if build.BaseName != "golang:"+string(want[1]) {
		t.Errorf("built from %s, go.mod has %s", build.BaseName, want[1])
	}
}
