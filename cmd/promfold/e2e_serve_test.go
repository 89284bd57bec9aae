//go:build e2e

package main

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// servingRun is a real promfold that serves.
type servingRun struct {
	url  string
	said string // until it served
	stop func() // by SIGTERM, and waits
}

var serves = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// startServe starts a promfold on a port of its own, to the end of the test.
func startServe(t *testing.T, flags ...string) *servingRun {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "promfold")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, append([]string{"--web.listen-address=127.0.0.1:0"}, flags...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string)
	go readUntil(stderr, serves, said)
	stop := sync.OnceFunc(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		for range said {
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case log := <-said:
		return &servingRun{"http://" + serves.FindStringSubmatch(log)[1] + "/metrics", log, stop}
	case <-time.After(hermesPatience):
		t.Fatal("promfold did not say where it serves")
		return nil
	}
}

// readUntil reads to the end, and tells what it has read when that matches.
func readUntil(r io.Reader, re *regexp.Regexp, said chan<- string) {
	defer close(said)
	var all bytes.Buffer
	for told, b := false, make([]byte, 4096); ; {
		n, err := r.Read(b)
		if all.Write(b[:n]); !told && re.Match(all.Bytes()) {
			said <- all.String()
			told = true
		}
		if err != nil {
			return
		}
	}
}
