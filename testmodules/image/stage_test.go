//go:build image

package image

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"golang.org/x/sys/unix"
)

// built is the file system of a stage, made without an engine: its instructions
// are carried out in a directory that stands for the root. A RUN sees the root of
// this machine, so it must stay below its working directory.
type built struct {
	root    string
	workdir string
	args    []string               // name=value, as the shell of a RUN gets them
	env     []string               // name=value, as RUN and what is started get them
	done    []instructions.Command // those of what it is made on first
	mounts  []string               // where something of the machine is mounted
}

// builder is what a build reads, and the images that came of it.
type builder struct {
	context string            // the directory with the sources
	args    map[string]string // given with --build-arg
	images  map[string]*built // by the names that FROM and COPY --from may have
}

// on is what a stage begins with: a copy of the image that its FROM names, or
// nothing. What an image from elsewhere holds, a RUN has from this machine.
func (x *builder) on(t *testing.T, name string) *built {
	t.Helper()
	b := &built{root: t.TempDir(), workdir: "/"}
	if err := os.Chmod(b.root, 0o755); err != nil {
		t.Fatal(err)
	}
	base := x.images[name]
	if base == nil {
		return b
	}
	if out, err := exec.Command("cp", "-a", base.root+"/.", b.root).CombinedOutput(); err != nil {
		t.Fatalf("FROM %s: %v\n%s", name, err, out)
	}
	b.workdir, b.env, b.done = base.workdir, slices.Clone(base.env), slices.Clone(base.done)
	return b
}

// buildAll carries out all stages and returns what the last one makes.
func (x *builder) buildAll(t *testing.T, stages []instructions.Stage) (image *built) {
	t.Helper()
	for _, s := range stages {
		image = x.build(t, s)
		x.images[s.Name] = image
	}
	return image
}

// build carries out one stage.
func (x *builder) build(t *testing.T, s instructions.Stage) *built {
	t.Helper()
	b := x.on(t, s.BaseName)
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
				b.args = append(b.args, a.Key+"="+x.args[a.Key])
			}
		case *instructions.CopyCommand:
			from := x.context
			if c.From != "" {
				if x.images[c.From] == nil {
					t.Fatalf("%v: no such stage", c)
				}
				from = x.images[c.From].root
			}
			b.copy(t, c, from)
		case *instructions.EnvCommand:
			for _, e := range c.Env {
				if strings.Contains(e.Value, "$") {
					t.Fatalf("%v: this test expands nothing", c)
				}
				b.env = append(b.env, e.String())
			}
		case *instructions.RunCommand:
			b.run(t, c)
		case *instructions.LabelCommand, *instructions.UserCommand, *instructions.ExposeCommand, *instructions.EntrypointCommand:
			// They change no file.
		default:
			t.Fatalf("%v: this test does not know how to do that", c)
		}
	}
	b.done = append(b.done, s.Commands...)
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

// mount does what an engine does before it starts a container. A missing place is made.
func (b *built) mount(t *testing.T, kind, place, options string) {
	t.Helper()
	at := filepath.Join(b.root, place)
	if err := errors.Join(os.MkdirAll(at, 0o755), unix.Mount("image-check", at, kind, unix.MS_NOSUID|unix.MS_NODEV, options)); err != nil {
		t.Fatalf("mount %s at %s: %v", kind, place, err)
	}
	b.mounts = append(b.mounts, place)
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
}

func (b *built) run(t *testing.T, c *instructions.RunCommand) {
	t.Helper()
	if !c.PrependShell {
		t.Fatalf("%v: this test knows the shell form alone", c)
	}
	cmd := exec.Command("/bin/sh", "-c", strings.Join(c.CmdLine, " "))
	cmd.Dir = filepath.Join(b.root, b.workdir)
	cmd.Env = slices.Concat(os.Environ(), b.args, b.env)
	t.Logf("in %s: %s", b.workdir, cmd.Args[2])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c, err, out)
	}
}

// files lists what is below the root, sorted, without what is mounted there.
func (b *built) files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(b.root, func(path string, d os.DirEntry, err error) error {
		name := strings.TrimPrefix(path, b.root)
		if slices.Contains(b.mounts, name) {
			return filepath.SkipDir
		}
		if err == nil && name != "" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}
