//go:build unix

package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/promfold/promfold/directory"
)

const (
	goodConfig = "families:\n  jobs_total: {type: counter}\n"
	badConfig  = "families:\n  jobs_total: {type: count}\n"
)

// badReason is what is wrong with badConfig.
const badReason = `:2: family jobs_total: unknown type "count", want counter, gauge or untyped`

// configFile is the configuration of a test, with the text that it has at first.
type configFile struct {
	t    *testing.T
	path string
}

func newConfigFile(t *testing.T, text string) *configFile {
	t.Helper()
	c := &configFile{t, filepath.Join(t.TempDir(), "metrics.yml")}
	c.write(text)
	return c
}

func (c *configFile) flag() string { return "--metrics.config=" + c.path }

func (c *configFile) write(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

var (
	reloaded    = regexp.MustCompile(`msg="Configuration reloaded" families=(\d+)`)
	notReloaded = regexp.MustCompile(`msg="Cannot reload the configuration.*`)
	loadedAt    = regexp.MustCompile(`(?m)^promfold_config_last_reload_success_timestamp_seconds \S+$`)
)

// reload asks for /-/reload.
func (d *daemon) reload(method string) (status int, allow, body string) {
	d.t.Helper()
	req, err := http.NewRequest(method, d.scheme+"://"+d.address+"/-/reload", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Allow"), string(b)
}

// A SIGHUP reloads. A bad configuration is named with its line, is seen in the
// metrics until a good one comes, and costs nothing else.
func TestReloadSIGHUP(t *testing.T) {
	dir, config := t.TempDir(), newConfigFile(t, goodConfig)
	count(t, dir, 3)
	d := serve(t, nil, "--multiproc.dir="+dir, config.flag())
	d.wants("promfold_config_last_reload_successful 1", "jobs_total 3")
	first := loadedAt.FindString(d.metrics())

	config.write(badConfig)
	d.send(syscall.SIGHUP)
	if line := d.awaitLog(notReloaded)[0]; !strings.Contains(strings.ReplaceAll(line, `\`, ""), config.path+badReason) {
		t.Errorf("logged %s", line)
	}
	d.wants("promfold_config_last_reload_successful 0", first, "jobs_total 3")

	config.write(goodConfig + "  others_total: {drop: true}\n")
	d.send(syscall.SIGHUP)
	if n := d.awaitLog(reloaded)[1]; n != "2" {
		t.Errorf("%s families", n)
	}
	d.wants("promfold_config_last_reload_successful 1", "jobs_total 3")
	if loadedAt.FindString(d.metrics()) == first {
		t.Errorf("still %s", first)
	}
	d.signal()
	d.ends()
}

// POST and PUT reload, and tell what is wrong; other methods do nothing. Each
// reload is logged once.
func TestReloadHTTP(t *testing.T) {
	config := newConfigFile(t, goodConfig)
	d := serve(t, nil, "--multiproc.dir="+t.TempDir(), config.flag())
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		if status, _, body := d.reload(method); status != http.StatusOK {
			t.Errorf("%s: %d %s", method, status, body)
		}
		d.awaitLog(reloaded)
	}
	config.write(badConfig)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
		if status, allow, _ := d.reload(method); status != http.StatusMethodNotAllowed || allow != "POST, PUT" {
			t.Errorf("%s: %d, allowed %s", method, status, allow)
		}
	}
	d.wants("promfold_config_last_reload_successful 1")
	status, _, body := d.reload(http.MethodPost)
	if status != http.StatusInternalServerError || !strings.Contains(body, config.path+badReason) {
		t.Errorf("bad: %d %s", status, body)
	}
	d.wants("promfold_config_last_reload_successful 0")
	d.signal()
	failures := 0
	for line := range d.log {
		if notReloaded.MatchString(line) {
			failures++
		}
		if reloaded.MatchString(line) {
			t.Errorf("reloaded by another method: %s", line)
		}
	}
	if failures != 1 {
		t.Errorf("logged %d times", failures)
	}
	d.ends()
}

// Without the lifecycle API nothing can be done over HTTP, also where metrics
// are at the root, and a SIGHUP still reloads.
func TestNoLifecycle(t *testing.T) {
	config := newConfigFile(t, goodConfig)
	d := serve(t, nil, "--multiproc.dir="+t.TempDir(), config.flag(), "--no-web.enable-lifecycle", "--web.telemetry-path=/")
	config.write(badConfig)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodGet} {
		if status, _, body := d.reload(method); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	if _, body := d.get("/"); !strings.Contains(body, "\npromfold_config_last_reload_successful 1\n") {
		t.Errorf("a refused request had an effect:\n%s", body)
	}
	d.send(syscall.SIGHUP)
	d.awaitLog(notReloaded)
	d.signal()
	d.ends()
}

// Without a configuration there is nothing to reload, and nothing to die of.
func TestReloadNothing(t *testing.T) {
	d := serve(t, nil, "--multiproc.dir="+t.TempDir())
	d.send(syscall.SIGHUP)
	d.awaitLog(reloaded)
	if status, _, body := d.reload(http.MethodPost); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	d.wants("promfold_config_last_reload_successful 1")
	d.signal()
	d.ends()
}

// archive has the same configuration, since it is what becomes of the dead.
func TestReloadArchive(t *testing.T) {
	dir, config := t.TempDir(), newConfigFile(t, goodConfig)
	count(t, dir, 3)()
	d := start(t, nil, "archive", "--multiproc.dir="+dir, "--archive.interval=50ms", config.flag())
	eventually(t, "an archive", func() bool {
		_, err := os.Stat(filepath.Join(dir, directory.HiddenName, directory.ArchiveName))
		return err == nil
	})
	config.write(badConfig)
	d.send(syscall.SIGHUP)
	d.awaitLog(notReloaded)
	config.write(goodConfig)
	d.send(syscall.SIGHUP)
	d.awaitLog(reloaded)
	d.signal()
	d.ends()
}

var notArchiving = regexp.MustCompile(`msg="Not archiving.* dir=(\S+)`)

// An excluded directory is served as any other. Its files stay, for somebody
// else to archive.
func TestArchiveExclude(t *testing.T) {
	root := t.TempDir()
	a, b := filepath.Join(root, "app-a"), filepath.Join(root, "app-b")
	for i, dir := range []string{a, b} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		count(t, dir, float64(i+1))()
	}
	d := serve(t, nil, "--multiproc.dir="+filepath.Join(root, "app-*"), "--multiproc.dir-label=app",
		"--archive.interval=50ms", "--archive.exclude="+filepath.Join(root, "*-b"))
	absorbed := `promfold_archive_absorbed_files_total{app=%q} %d`
	d.eventually(fmt.Sprintf(absorbed, a, 1))
	d.wants(`jobs_total{app="`+a+`"} 1`, `jobs_total{app="`+b+`"} 2`,
		fmt.Sprintf(absorbed, b, 0), `promfold_archive_active{app="`+b+`"} 0`)
	if len(workerFiles(t, b)) != 1 || len(workerFiles(t, a)) != 0 {
		t.Errorf("left are %v and %v", workerFiles(t, a), workerFiles(t, b))
	}
	d.signal()
	d.ends()

	d = start(t, nil, "--web.listen-address=127.0.0.1:0", "--multiproc.dir="+a, "--multiproc.dir="+b, "--archive.exclude="+b)
	if dir := d.awaitLog(notArchiving)[1]; dir != b {
		t.Errorf("not archiving %s", dir)
	}
	d.awaitLog(addressField)
	d.signal()
	d.ends()
}
