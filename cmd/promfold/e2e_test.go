//go:build e2e

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/need"
)

// fromPrometheus finds a program of Debian's package.
func fromPrometheus(t *testing.T, program string) string {
	t.Helper()
	return need.Program(t, program, "Debian: apt-get install prometheus")
}

// demoRun is `promfold demo`, running.
type demoRun struct {
	cmd    *exec.Cmd
	url    string
	output chan []byte // all that it printed, once it has ended
}

var metricsURL = regexp.MustCompile(`http://[\d.]+:\d+/metrics`)

func startDemo(t *testing.T) *demoRun {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "promfold")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	d := &demoRun{cmd: exec.Command(binary, "demo", "--web.listen-address=127.0.0.1:0"), output: make(chan []byte, 1)}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stdout, d.cmd.Stderr = w, w
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	found := make(chan string, 1)
	go d.follow(r, found)
	select {
	case d.url = <-found:
	case <-time.After(30 * time.Second):
		t.Fatal("the demo did not print where it serves")
	}
	return d
}

// follow gathers what the demo prints, and tells the first URL in it. It ends
// when the demo does.
func (d *demoRun) follow(r io.Reader, found chan<- string) {
	var all bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(r, &all))
	told := false
	for lines.Scan() {
		if u := metricsURL.FindString(lines.Text()); u != "" && !told {
			found <- u
			told = true
		}
	}
	d.output <- all.Bytes()
}

// end interrupts the demo and returns what it printed.
func (d *demoRun) end(t *testing.T) string {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	out := <-d.output
	if err := d.cmd.Wait(); err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	return string(out)
}

// promServer is a real server that scrapes one target every second.
type promServer struct{ base string }

func startPrometheus(t *testing.T, target string) *promServer {
	t.Helper()
	program := fromPrometheus(t, "prometheus")
	dir := t.TempDir()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: demo\n  static_configs: [{targets: ['%s']}]\n", u.Host)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus said:\n%s", log.String())
		}
	})
	return &promServer{"http://" + address}
}

// query returns the values of an instant query by series.
func (p *promServer) query(expr string) (map[string]string, error) {
	resp, err := http.Get(p.base + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("query %s: %v: %w", expr, resp.Status, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("query %s: %s", expr, answer.Error)
	}
	values := make(map[string]string)
	for _, r := range answer.Data.Result {
		values[fmt.Sprint(r.Metric)] = fmt.Sprint(r.Value[1])
	}
	return values, nil
}

func (p *promServer) mustQuery(t *testing.T, expr string) map[string]string {
	t.Helper()
	values, err := p.query(expr)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// names is the names of the series that a selector finds.
func (p *promServer) names(t *testing.T, selector string) []string {
	t.Helper()
	resp, err := http.Get(p.base + "/api/v1/label/__name__/values?match[]=" + url.QueryEscape(selector))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Data []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Data
}

// await polls until the query has a result.
func (p *promServer) await(t *testing.T, expr string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
		values, err := p.query(expr)
		if err == nil && len(values) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no result of %s: %v", expr, err)
		}
	}
}

// Property: to a real Prometheus, which asks for OpenMetrics and has its own
// parser, the demo is up at every scrape and no cumulative series ever goes
// down, while workers are killed all the time.
func TestE2EPrometheusSeesNoReset(t *testing.T) {
	fromPrometheus(t, "prometheus")
	demo := startDemo(t)
	p := startPrometheus(t, demo.url)
	p.await(t, "count_over_time(up[5m]) >= 20")

	if down := p.mustQuery(t, "min_over_time(up[5m]) < 1"); len(down) > 0 {
		t.Errorf("scrapes failed: %v", down)
	}
	names := p.names(t, `{job="demo",__name__=~".+_(total|bucket|count|sum)"}`)
	if len(names) < 4 {
		t.Errorf("Prometheus stored the cumulative series %v", names)
	}
	for _, name := range names {
		for series, n := range p.mustQuery(t, "resets("+name+"[5m]) > 0") {
			t.Errorf("%s%s went down %s times", name, series, n)
		}
	}
	if grown := p.mustQuery(t, "increase(demo_requests_total[5m]) > 0"); len(grown) == 0 {
		t.Error("demo_requests_total did not grow in Prometheus' eyes")
	}
	if out := demo.end(t); !strings.Contains(out, "ledger: acknowledged=") {
		t.Errorf("no ledger in:\n%s", out)
	} else {
		t.Log(out)
	}
}

// Property: promtool finds nothing to say about what the demo exposes, and what
// Prometheus asks for is answered in OpenMetrics.
func TestE2EPromtoolFindsNothing(t *testing.T) {
	promtool := fromPrometheus(t, "promtool")
	demo := startDemo(t)
	body, _ := get(t, demo.url, "text/plain")
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	body, contentType := get(t, demo.url, "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
	if !strings.HasPrefix(contentType, "application/openmetrics-text") || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("asked for OpenMetrics, got %s", contentType)
	}
	demo.end(t)
}

func get(t *testing.T, u, accept string) (body, contentType string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %v, %v\n%s", u, resp.Status, err, b)
	}
	return string(b), resp.Header.Get("Content-Type")
}
