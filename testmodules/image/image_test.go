//go:build image

package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// skip says why a part is left out. CI has what it takes, so there it fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI must do this: %s", why)
	}
	t.Skip(why)
}

// shipped is all that the image holds: the program, what may be done with it, and who may
// sign certificates.
var shipped = []string{"/LICENSE", "/etc", "/etc/ssl", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/promfold"}

// The committed tree, less what .dockerignore names, builds by the Dockerfile's own
// instructions into an image of one static binary that knows its version and
// serves from a root with nothing else in it, as the image's user. Its other target
// takes Hermes' place in a Dockerfile.
func TestImage(t *testing.T) {
	tree := checkOut(t)
	stages := parse(t, filepath.Join(tree, "Dockerfile"))
	prune(t, tree)
	x := &builder{context: tree, images: make(map[string]*built),
		args: map[string]string{"VERSION": "1.2.3-check", "REVISION": "abcdef", "BRANCH": "checked"}}
	image := x.buildAll(t, stages)
	program := filepath.Join(image.root, "promfold")

	t.Run("holds what is shipped", func(t *testing.T) {
		if got := image.files(t); !slices.Equal(got, shipped) {
			t.Errorf("the image holds %v", got)
		}
	})
	t.Run("is static", func(t *testing.T) { checkStatic(t, program) })
	t.Run("knows its version", func(t *testing.T) {
		out, err := exec.Command(program, "--version").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"version 1.2.3-check", "revision: abcdef", "branch: checked"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
	t.Run("serves from an empty root", func(t *testing.T) { checkServes(t, image) })
	t.Run("takes the place of Hermes", func(t *testing.T) { checkHermes(t, x.images["hermes"]) })
}

// checkStatic: no interpreter and no library is asked for, none of which the image has.
func checkStatic(t *testing.T, program string) {
	f, err := elf.Open(program)
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

// needRoot skips the test where nobody can change the root and become another user.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "only root can change the root and become another user: run make image-check as root")
	}
}

// checkServes runs the entry point as a container engine would: the image is the
// root, the user is the image's, and there is a directory to serve, which it owns.
// It exposes what a dead process counted there, archives it, and writes nowhere else.
func checkServes(t *testing.T, image *built) {
	needRoot(t)
	makeDirectory(t, filepath.Join(image.root, "tmp"))
	r := image.start(t, nil, []string{"PROMETHEUS_MULTIPROC_DIR=/tmp"}, "--web.listen-address=127.0.0.1:0", "--archive.interval=100ms")
	url := "http://" + r.says(t, webAddress)
	client := http.DefaultClient
	get(t, client, url+"/-/ready")
	get(t, client, url+"/-/healthy")
	body := get(t, client, url+"/metrics")
	for began := time.Now(); !strings.Contains(body, "\npromfold_archive_absorbed_files_total 1\n") && time.Since(began) < 20*time.Second; {
		time.Sleep(50 * time.Millisecond)
		body = get(t, client, url+"/metrics")
	}
	for _, want := range []string{
		"\npromfold_archive_absorbed_files_total 1\n", "\nhits_total 42\n", `version="1.2.3-check"`, `branch="checked"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not say %q:\n%s", want, body)
		}
	}
	r.stop(t)
	for _, name := range image.files(t) {
		if !slices.Contains(shipped, name) && name != "/tmp" && !strings.HasPrefix(name, "/tmp/.promfold") {
			t.Errorf("it left %s", name)
		}
	}
}

// makeDirectory makes a multiprocess directory with what a Python process left
// that counted 42 hits (client_python 0.16: the key's length, the key, the value).
// Its pid is above all that there can be, or it could be one that lives here.
func makeDirectory(t *testing.T, dir string) {
	t.Helper()
	key := `["hits", "hits_total", {}, "Hits."]`
	key += strings.Repeat(" ", 8-(4+len(key))%8)
	entry := binary.NativeEndian.AppendUint32(nil, uint32(len(strings.TrimRight(key, " "))))
	entry = append(entry, key...)
	entry = binary.NativeEndian.AppendUint64(entry, math.Float64bits(42))
	file := binary.NativeEndian.AppendUint32(nil, uint32(8+len(entry)))
	file = append(append(file, 0, 0, 0, 0), entry...)
	path := filepath.Join(dir, "counter_4194305.db")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, file, 0o600), os.Chown(dir, uid, gid), os.Chown(path, uid, gid)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
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
