//go:build e2e

package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/worker"
)

// hermesRun is a sidecar with a listener, beside one worker.
type hermesRun struct {
	url  string
	conn net.Conn
}

const hermesFamilies = `{
	"counters": [{"metric_name": "mail_sent_total", "metric_description": "Mail that was sent.", "labels": ["queue"]}],
	"gauges": [{"metric_name": "mail_waiting", "metric_description": "Mail that waits.", "labels": ["queue"]}],
	"histograms": [{"metric_name": "mail_seconds", "metric_description": "How long it took.", "buckets": [0.1, 1]}],
	"summaries": [{"metric_name": "mail_size_bytes", "metric_description": "How large it was."}]}`

var hermesListens = regexp.MustCompile(`msg="Listening for Hermes datagrams" address=(\S+)`)

const hermesPatience = time.Minute

// startHermes starts the sidecar in a directory, to the end of the test.
func startHermes(t *testing.T, dir string) *hermesRun {
	t.Helper()
	config := filepath.Join(t.TempDir(), "hermes.json")
	if err := os.WriteFile(config, []byte(hermesFamilies), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, "--multiproc.dir="+dir, "--hermes.config="+config, "--hermes.listen-address=127.0.0.1:0")
	conn, err := net.Dial("udp", hermesListens.FindStringSubmatch(s.said)[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &hermesRun{s.url, conn}
}

// send sends a datagram so many times.
func (h *hermesRun) send(t *testing.T, times int, metric, payload string) {
	t.Helper()
	for range times {
		if _, err := fmt.Fprintf(h.conn, `{"metric_name": %q, "payload": %s}`, metric, payload); err != nil {
			t.Fatal(err)
		}
	}
}

// sendMail sends datagrams of all types, 200 of them.
func (h *hermesRun) sendMail(t *testing.T) {
	t.Helper()
	h.send(t, 100, "mail_sent_total", `{"labels": {"queue": "out"}}`)
	h.send(t, 20, "mail_sent_total", `{"labels": {"queue": "in"}}`)
	h.send(t, 40, "mail_waiting", `{"labels": {"queue": "out"}, "operation": "increment"}`)
	h.send(t, 30, "mail_seconds", `{"observation": 0.5}`)
	h.send(t, 10, "mail_size_bytes", `{"observation": 1024}`)
}

// startWorker makes the file of a worker that has counted to n.
func startWorker(t *testing.T, dir string, n float64) {
	t.Helper()
	s, err := worker.New(dir, worker.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	worker.With(s).NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."}).Add(n)
}

// Property: a real Prometheus stores what clients have sent in datagrams, to the last of
// them, beside what a worker has counted.
func TestE2EPrometheusStoresDatagrams(t *testing.T) {
	fromPrometheus(t, "prometheus")
	dir := t.TempDir()
	startWorker(t, dir, 7)
	h := startHermes(t, dir)
	p := startPrometheus(t, h.url)
	h.sendMail(t)
	p.await(t, "promfold_hermes_packets_accepted_total == 200")
	h.sendMail(t)
	p.await(t, "promfold_hermes_packets_accepted_total == 400")
	for expr, want := range map[string]string{
		"sum(mail_sent_total)":                                    "240",
		`mail_sent_total{queue="out"}`:                            "200",
		`mail_waiting{queue="out"}`:                               "80",
		"mail_seconds_sum / mail_seconds_count":                   "0.5",
		`mail_seconds_bucket{le=~"1|1.0"}`:                        "60",
		"histogram_quantile(0.5, mail_seconds_bucket)":            "0.55",
		"mail_size_bytes_sum":                                     "20480",
		"mail_size_bytes_count":                                   "20",
		"sum(promfold_hermes_packets_rejected_total)":             "0",
		"promfold_hermes_packets_dropped_total":                   "0",
		"jobs_total":                                              "7",
		"sum(resets(promfold_hermes_packets_accepted_total[5m]))": "0",
	} {
		for series, got := range p.mustQuery(t, expr) {
			if got != want {
				t.Errorf("%s is %s, want %s: %s", expr, got, want, series)
			}
		}
		if n := len(p.mustQuery(t, expr)); n != 1 {
			t.Errorf("%s has %d values", expr, n)
		}
	}
}

// Property: promtool finds nothing to say about what is exposed of datagrams.
func TestE2EPromtoolFindsNothingInDatagrams(t *testing.T) {
	promtool := fromPrometheus(t, "promtool")
	dir := t.TempDir()
	startWorker(t, dir, 7)
	h := startHermes(t, dir)
	h.sendMail(t)
	var body string
	for deadline := time.Now().Add(hermesPatience); !strings.Contains(body, "\npromfold_hermes_packets_accepted_total 200\n"); {
		if time.Now().After(deadline) {
			t.Fatalf("not all datagrams have come:\n%s", body)
		}
		body, _ = get(t, h.url, "text/plain")
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
