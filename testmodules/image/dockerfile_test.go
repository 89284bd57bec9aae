package image

import (
	"bytes"
	"cmp"
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

// whole is a stage with all that it is made on: its base is an image from elsewhere.
func whole(stages []instructions.Stage, s instructions.Stage) instructions.Stage {
	at, found := instructions.HasStage(stages, s.BaseName)
	if !found {
		return s
	}
	base := whole(stages, stages[at])
	base.Name, base.Commands = s.Name, append(slices.Clip(base.Commands), s.Commands...)
	return base
}

// target is the stage that --target names, or without a name the default one.
func target(t *testing.T, stages []instructions.Stage, name string) instructions.Stage {
	t.Helper()
	if name == "" {
		return whole(stages, stages[len(stages)-1])
	}
	at, found := instructions.HasStage(stages, name)
	if !found {
		t.Fatalf("no stage is named %s", name)
	}
	return whole(stages, stages[at])
}

// commands are the instructions of one kind in a list.
func commands[C instructions.Command](list []instructions.Command) []C {
	var found []C
	for _, c := range list {
		if c, is := c.(C); is {
			found = append(found, c)
		}
	}
	return found
}

// last is the instruction that holds where each replaces the one before.
func last[C instructions.Command](t *testing.T, list []instructions.Command) C {
	t.Helper()
	all := commands[C](list)
	if len(all) == 0 {
		t.Fatalf("no %T", *new(C))
	}
	return all[len(all)-1]
}

// Property: the images have nothing but what the build stage made and the license,
// and run as a number that is not root. The one for who comes from Hermes has Hermes'
// ports, and is built only when asked for.
func TestTargets(t *testing.T) {
	for _, c := range []struct {
		name  string
		ports []string
		entry []string
	}{
		{"", []string{"9500"}, []string{"/promfold"}},
		{"hermes", []string{"7789/udp", "8080"}, []string{"/promfold", "serve", "--hermes.env-compat"}},
	} {
		t.Run(cmp.Or(c.name, "default"), func(t *testing.T) {
			image := target(t, parse(t, repository+"/Dockerfile"), c.name)
			if image.BaseName != "scratch" {
				t.Errorf("it is from %s", image.BaseName)
			}
			user := last[*instructions.UserCommand](t, image.Commands).User
			for id := range strings.SplitSeq(user, ":") {
				// A name cannot be looked up in an empty image, and kubelet cannot tell that it is not root.
				if n, err := strconv.ParseUint(id, 10, 31); err != nil || n == 0 {
					t.Errorf("USER %s: not numbers above 0", user)
				}
			}
			var ports []string
			for _, e := range commands[*instructions.ExposeCommand](image.Commands) {
				ports = append(ports, e.Ports...)
			}
			if !slices.Equal(ports, c.ports) {
				t.Errorf("EXPOSE %v, not %v", ports, c.ports)
			}
			e := last[*instructions.EntrypointCommand](t, image.Commands)
			if e.PrependShell || !slices.Equal(e.CmdLine, c.entry) {
				t.Errorf("ENTRYPOINT is %q, not %q, and there is no shell", e.CmdLine, c.entry)
			}
			if r := commands[*instructions.RunCommand](image.Commands); len(r) > 0 {
				t.Errorf("RUN in an image without a shell: %v", r)
			}
		})
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
