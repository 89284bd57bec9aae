//go:build unix

package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Property: a reload takes a changed configuration, by a request and by SIGHUP. What was
// counted of metrics that stay and of those that leave stays, and gauges go on from
// where they were. A bad configuration is named and seen in the metrics, and the old
// one holds; so it does when the other file is the bad one. A restart knows it all.
func TestHermesReload(t *testing.T) {
	config, corrections := hermesFile(t, hermesGood), newConfigFile(t, goodConfig)
	dir := "--multiproc.dir=" + t.TempDir()
	h := serveHermes(t, config, udpAny, dir, corrections.flag())
	c := h.conns[0]
	h.sends(c, hermesA, hermesA, hermesA, hermesSet, hermesGone, hermesGone)
	h.accepted(6)
	stays := []string{`a_total{q="x"} 3`, "gone_total 2"}
	h.wants(append(stays, "g 5", "promfold_config_last_reload_successful 1")...)

	config.write(strings.Replace(hermesGood, "gone_total", "next_total", 1))
	if status, _, body := h.reload(http.MethodPost); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	h.awaitLog(regexp.MustCompile(`msg="Configuration reloaded".* hermes_metrics=3`))
	h.wants(append(stays, "g 5")...)
	h.sends(c, hermesGone, hermesNext, hermesMore)
	h.accepted(8)
	h.wants(append(stays, "g 6", "next_total 1", `promfold_hermes_packets_rejected_total{reason="unknown_metric"} 1`)...)

	config.write(`{"gauges": [{"metric_name": "g", "mode": "most"}]}`)
	status, _, body := h.reload(http.MethodPost)
	if status != http.StatusInternalServerError || !strings.Contains(body, config.path+": gauges[0] (g): mode: ") {
		t.Errorf("bad: %d %s", status, body)
	}
	h.awaitLog(notReloaded)
	h.wants("promfold_config_last_reload_successful 0")
	h.send(syscall.SIGHUP)
	if line := h.awaitLog(notReloaded)[0]; !strings.Contains(line, config.path) {
		t.Errorf("logged %s", line)
	}
	config.write(hermesGood)
	corrections.write(badConfig)
	h.send(syscall.SIGHUP)
	h.awaitLog(notReloaded)
	h.sends(c, hermesGone, hermesNext, hermesMore, hermesA)
	h.accepted(11)
	h.wants(`a_total{q="x"} 4`, "gone_total 2", "next_total 2", "g 7", "promfold_config_last_reload_successful 0")

	corrections.write(goodConfig)
	h.send(syscall.SIGHUP)
	h.awaitLog(regexp.MustCompile(`msg="Configuration reloaded".* hermes_metrics=3`))
	h.sends(c, hermesGone, hermesNext, hermesMore)
	h.accepted(13)
	all := []string{`a_total{q="x"} 4`, "gone_total 3", "next_total 2", "g 8"}
	h.wants(append(all, "promfold_config_last_reload_successful 1")...)
	h.stops()
	h = serveHermes(t, config, udpAny, dir)
	h.wants(append(all, "promfold_hermes_packets_accepted_total 13")...)
	h.sends(h.conns[0], hermesMore)
	h.accepted(14)
	h.wants("g 9")
	h.stops()
}

// Property: a reload that is refused, as the configuration of the listener is bad or its
// directory is gone, leaves the corrections of other files as they were, though those
// that were read with it are good. They hold once all of it can be used.
func TestHermesReloadRefused(t *testing.T) {
	dir, own := t.TempDir(), filepath.Join(t.TempDir(), "own")
	pythonCounters(t, dir, "jobs_total", "noisy_total")
	config, corrections := hermesFile(t, hermesGood), newConfigFile(t, "families: {noisy_total: {drop: true}}")
	h := serveHermes(t, config, udpAny, "--multiproc.dir="+dir, "--hermes.dir="+own, corrections.flag())
	h.sends(h.conns[0], hermesGone)
	h.accepted(1)
	hold := func() {
		t.Helper()
		h.wants("jobs_total 3", "gone_total 1")
		h.lacks("noisy_total")
	}
	hold()
	refused := func(want string) {
		t.Helper()
		status, _, body := h.reload(http.MethodPost)
		if status != http.StatusInternalServerError || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %s", status, body, want)
		}
		hold()
		h.wants("promfold_config_last_reload_successful 0")
	}
	corrections.write("families: {jobs_total: {drop: true}}")
	config.write(`{"gauges": [{"metric_name": "g", "mode": "most"}]}`)
	refused(config.path)

	config.write(strings.Replace(hermesGood, `"g"`, `"g", "mode": "max"`, 1))
	if err := os.RemoveAll(own); err != nil {
		t.Fatal(err)
	}
	refused(own)
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	if status, _, body := h.reload(http.MethodPost); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	h.wants("noisy_total 3", "gone_total 1", "promfold_config_last_reload_successful 1")
	h.lacks("jobs_total")
	h.stops()
}

// Property: a directory of workers that is not there is for somebody else to make. What
// is counted until then is shown once it is there. That of the listener alone it
// makes itself, also where it is one of those that are served.
func TestHermesDirectoryLater(t *testing.T) {
	config, dir := hermesFile(t, hermesGood), filepath.Join(t.TempDir(), "later")
	h := serveHermes(t, config, udpAny, "--multiproc.dir="+dir)
	h.sends(h.conns[0], hermesA, hermesGone, hermesSet)
	h.metrics()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Fatalf("the directory is there: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.accepted(3)
	h.wants(`a_total{q="x"} 1`, "gone_total 1", "g 5")
	h.stops()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	h = serveHermes(t, config, udpAny, "--multiproc.dir="+dir, "--hermes.dir="+dir+"/")
	h.sends(h.conns[0], hermesA)
	h.accepted(1)
	h.stops()
}
