//go:build image

package image

import (
	"bufio"
	"debug/elf"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// skip says why a part is left out. CI has what it takes, so there it fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI must do this: %s", why)
	}
	t.Skip(why)
}

// The committed tree, less what .dockerignore names, builds by the Dockerfile's own
// instructions into an image of one static binary that knows its version and
// serves from a root with nothing else in it, as the image's user.
func TestImage(t *testing.T) {
	tree := checkOut(t)
	stages := parse(t, filepath.Join(tree, "Dockerfile"))
	prune(t, tree)
	made := make(map[string]*built)
	var image *built
	for _, s := range stages {
		image = build(t, s, tree, made, map[string]string{"VERSION": "1.2.3-check", "REVISION": "abcdef", "BRANCH": "checked"})
		made[s.Name] = image
	}
	binary := filepath.Join(image.root, "promfold")

	t.Run("holds the binary and the license", func(t *testing.T) {
		if got := image.files(t); !slices.Equal(got, []string{"/LICENSE", "/promfold"}) {
			t.Errorf("the image holds %v", got)
		}
	})
	t.Run("is static", func(t *testing.T) { checkStatic(t, binary) })
	t.Run("knows its version", func(t *testing.T) {
		out, err := exec.Command(binary, "--version").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"version 1.2.3-check", "revision: abcdef", "branch: checked"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
	t.Run("serves from an empty root", func(t *testing.T) { checkServes(t, stages[len(stages)-1], image) })
}

// checkStatic: no interpreter and no library is asked for, none of which the image has.
func checkStatic(t *testing.T, binary string) {
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a program header %v: not static", p.Type)
		}
	}
}

// checkServes runs the entry point as a container engine would: the image is the
// root, the user is the image's, and there is a directory to serve, which it owns.
func checkServes(t *testing.T, s instructions.Stage, image *built) {
	if os.Geteuid() != 0 {
		skip(t, "only root can change the root and become another user: run make image-check as root")
	}
	const uid, gid = 65532, 65532 // USER of the last stage, below
	if u := commands[*instructions.UserCommand](s)[0].User; u != "65532:65532" {
		t.Fatalf("USER %s: this test runs as %d:%d", u, uid, gid)
	}
	dir := filepath.Join(image.root, "tmp")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	entry := commands[*instructions.EntrypointCommand](s)[0].CmdLine
	cmd := exec.Command(entry[0], append(entry[1:], "--web.listen-address=127.0.0.1:0")...)
	cmd.Dir = "/"
	cmd.Env = []string{"PROMETHEUS_MULTIPROC_DIR=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image.root, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	hangs := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // its log ends, and the test says so
	defer hangs.Stop()
	log := bufio.NewReader(stderr)
	url := "http://" + awaitAddress(t, log)
	if body := get(t, url+"/metrics"); !strings.Contains(body, `promfold_build_info{branch="checked"`) || !strings.Contains(body, `version="1.2.3-check"`) {
		t.Errorf("/metrics does not name the build:\n%s", body)
	}
	get(t, url+"/-/ready")
	get(t, url+"/-/healthy")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(log)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, rest)
	}
	for _, name := range image.files(t) {
		if name != "/LICENSE" && name != "/promfold" && name != "/tmp" && !strings.HasPrefix(name, "/tmp/.promfold") {
			t.Errorf("it wrote %s", name)
		}
	}
}

var addressField = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

func awaitAddress(t *testing.T, log *bufio.Reader) string {
	t.Helper()
	var lines strings.Builder
	for {
		line, err := log.ReadString('\n')
		lines.WriteString(line)
		if m := addressField.FindStringSubmatch(line); m != nil {
			return m[1]
		}
		if err != nil {
			t.Fatalf("it does not listen: %v\n%s", err, &lines)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %v\n%s", url, resp.Status, err, body)
	}
	return string(body)
}
