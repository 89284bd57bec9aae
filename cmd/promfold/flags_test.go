//go:build unix

package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever is wrong is said in one line, with exit code 2 for the command line
// and 1 for the rest.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("nonsense: ["), 0o644); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	onDir := "--multiproc.dir=" + dir
	onBusy := "--web.listen-address=" + busy.Addr().String()
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown flag":        {[]string{"--no-such-flag"}, 2, "no-such-flag"},
		"unknown command":     {[]string{"fold"}, 2, "fold"},
		"no directory":        {nil, 2, "PROMETHEUS_MULTIPROC_DIR"},
		"empty directory":     {[]string{"--multiproc.dir="}, 2, "multiproc.dir"},
		"bad glob":            {[]string{"--multiproc.dir=[a"}, 2, "[a"},
		"bad label":           {[]string{onDir, "--multiproc.dir-label=a-b"}, 2, "a-b"},
		"taken label":         {[]string{onDir, "--multiproc.dir-label=pid"}, 2, "pid"},
		"bad path":            {[]string{onDir, "--web.telemetry-path=metrics"}, 2, "telemetry-path"},
		"unclean path":        {[]string{onDir, "--web.telemetry-path=/a//b"}, 2, "/a//b"},
		"bad linger":          {[]string{onDir, "--web.linger=soon"}, 2, "soon"},
		"bad interval":        {[]string{onDir, "--archive.interval=0s"}, 2, "archive.interval"},
		"archive inside":      {[]string{onDir, "--archive.dir=" + dir + "/."}, 2, "archive.dir"},
		"shared archive":      {[]string{onDir, "--multiproc.dir=x", "--archive.dir=y"}, 2, "archive.dir"},
		"bad level":           {[]string{onDir, "--log.level=loud"}, 2, "loud"},
		"unreadable":          {[]string{"--multiproc.dir=" + file}, 1, file},
		"busy port":           {[]string{onDir, onBusy}, 1, busy.Addr().String()},
		"bad address":         {[]string{onDir, "--web.listen-address=nowhere"}, 1, "nowhere"},
		"bad web config":      {[]string{onDir, "--web.listen-address=127.0.0.1:0", "--web.config.file=" + file}, 1, file},
		"missing web config":  {[]string{onDir, "--web.config.file=" + file + "x"}, 1, file + "x"},
		"bad metrics config":  {[]string{onDir, "--metrics.config=" + file}, 1, "--metrics.config: " + file + ":1: "},
		"no metrics config":   {[]string{onDir, "--metrics.config=" + file + "x"}, 1, file + "x"},
		"archive bad config":  {[]string{"archive", "--once", onDir, "--metrics.config=" + file}, 1, file + ":1: "},
		"dump bad config":     {[]string{"dump", dir, "--metrics.config=" + file}, 1, file + ":1: "},
		"bad exclude":         {[]string{onDir, "--archive.exclude=[a"}, 2, "[a"},
		"empty exclude":       {[]string{onDir, "--archive.exclude="}, 2, "archive.exclude"},
		"exclude nothing":     {[]string{onDir, "--archive.exclude=" + dir + "x"}, 2, dir + "x"},
		"demo on busy port":   {[]string{"demo", onBusy}, 1, busy.Addr().String()},
		"demo without worker": {[]string{"demo", "--workers=0"}, 2, "workers"},
		"dump nothing":        {[]string{"dump"}, 2, "path"},
		"dump bad format":     {[]string{"dump", "--format=xml", dir}, 2, "xml"},
		"dump missing":        {[]string{"dump", file + "x"}, 1, file + "x"},
		"check missing":       {[]string{"check", file + "x"}, 1, ""},
		"archive nowhere":     {[]string{"archive", "--once", "--multiproc.dir=" + file + "x"}, 1, file + "x"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, append([]string{"--log.level=error"}, c.args...)...)
			if name == "bad level" {
				r = run(t, c.args...)
			}
			if r.code != c.code || !strings.Contains(r.stderr, c.want) {
				t.Errorf("exit code %d, want %d; stderr %q, want %q in it", r.code, c.code, r.stderr, c.want)
			}
			if n := strings.Count(r.stderr, "\n"); n > 1 {
				t.Errorf("%d lines on stderr:\n%s", n, r.stderr)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	if r := run(t, "--version"); r.code != 0 || !strings.HasPrefix(r.stdout, "promfold, version ") {
		t.Errorf("--version: %+v", r)
	}
	if r := run(t, "--help"); r.code != 0 || !strings.Contains(r.stdout, "serve") || strings.Contains(r.stdout, "demo-worker") {
		t.Errorf("--help: %+v", r)
	}
	if r := run(t, "serve", "--help"); r.code != 0 || !strings.Contains(r.stdout, "--multiproc.dir") {
		t.Errorf("serve --help: %+v", r)
	}
}
