//go:build image

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// built is the file system of a stage, made without an engine: its instructions
// are carried out in a directory that stands for the root. A RUN sees the root of
// this machine, so it must stay below its working directory.
type built struct {
	root    string
	workdir string
	args    []string // name=value, as the shell of a RUN gets them
}

// build carries out a stage. source is the build context, earlier the stages that
// COPY --from may name, args what was given with --build-arg.
func build(t *testing.T, s instructions.Stage, source string, earlier map[string]*built, args map[string]string) *built {
	t.Helper()
	b := &built{root: t.TempDir(), workdir: "/"}
	if err := os.Chmod(b.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range s.Commands {
		switch c := command.(type) {
		case *instructions.WorkdirCommand:
			b.workdir = filepath.Join(b.workdir, c.Path)
			if filepath.IsAbs(c.Path) {
				b.workdir = c.Path
			}
			b.mkdir(t, b.workdir)
		case *instructions.ArgCommand:
			for _, a := range c.Args {
				b.args = append(b.args, a.Key+"="+args[a.Key])
			}
		case *instructions.CopyCommand:
			from := source
			if c.From != "" {
				if earlier[c.From] == nil {
					t.Fatalf("%v: no such stage", c)
				}
				from = earlier[c.From].root
			}
			b.copy(t, c, from)
		case *instructions.RunCommand:
			b.run(t, c)
		case *instructions.LabelCommand, *instructions.UserCommand, *instructions.ExposeCommand, *instructions.EntrypointCommand:
			// They change no file.
		default:
			t.Fatalf("%v: this test does not know how to do that", c)
		}
	}
	return b
}

func (b *built) mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(b.root, dir), 0o755); err != nil {
		t.Fatal(err)
	}
}

// copy copies files to a name, files into a directory, and what is in a directory
// into another.
func (b *built) copy(t *testing.T, c *instructions.CopyCommand, from string) {
	t.Helper()
	dest := c.DestPath
	if !filepath.IsAbs(dest) {
		dest = filepath.Join(b.workdir, dest) + "/"
	}
	isDir := strings.HasSuffix(dest, "/")
	if dir := filepath.Dir(dest); isDir {
		b.mkdir(t, dest)
	} else {
		b.mkdir(t, dir)
	}
	for _, source := range c.SourcePaths {
		source = filepath.Join(from, source)
		if info, err := os.Stat(source); err != nil {
			t.Fatalf("%v: %v", c, err)
		} else if info.IsDir() {
			source += "/."
		}
		if out, err := exec.Command("cp", "-R", source, filepath.Join(b.root, dest)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
	}
}

func (b *built) run(t *testing.T, c *instructions.RunCommand) {
	t.Helper()
	if !c.PrependShell {
		t.Fatalf("%v: this test knows the shell form alone", c)
	}
	cmd := exec.Command("/bin/sh", "-c", strings.Join(c.CmdLine, " "))
	cmd.Dir = filepath.Join(b.root, b.workdir)
	cmd.Env = append(os.Environ(), b.args...)
	t.Logf("in %s: %s", b.workdir, cmd.Args[2])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c, err, out)
	}
}

// files lists what is below the root, sorted.
func (b *built) files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(b.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != b.root {
			names = append(names, strings.TrimPrefix(path, b.root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}
