//go:build e2e

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/redistest"
)

// Property: a real Prometheus, at one promfold that serves a fleet, stores what two
// hosts have counted; when one of them ends and is folded, no counter is reset and none
// counts twice; and promtool finds nothing to say about what is exposed.
func TestE2EPrometheusStoresFleet(t *testing.T) {
	fromPrometheus(t, "prometheus")
	promtool := fromPrometheus(t, "promtool")
	store := redistest.Start(t, redistest.Options{})
	host := func(name string, n float64) *servingRun {
		dir := t.TempDir()
		startWorker(t, dir, n)
		return startServe(t, "--multiproc.dir="+dir, "--redis.url="+store.URL(), "--redis.publish", "--redis.interval=1s", "--redis.host="+name)
	}
	host("a", 7)
	b := host("b", 8)
	fleet := startServe(t, "--redis.url="+store.URL(), "--redis.source", "--redis.interval=1s")
	p := startPrometheus(t, fleet.url)
	p.await(t, "jobs_total == 15")
	b.stop()
	p.await(t, `promfold_redis_folded_hosts_total{namespace="default"} == 1`)
	for expr, want := range map[string]string{
		"jobs_total":                      "15",
		"max_over_time(jobs_total[5m])":   "15",
		"resets(jobs_total[5m])":          "0",
		`promfold_redis_up`:               "1",
		`sum(promfold_redis_hosts)`:       "1",
		"promfold_redis_restored_total":   "0",
		"sum(promfold_family_conflicts)":  "0",
		"promfold_redis_lost_hosts_total": "0",
	} {
		for series, got := range p.mustQuery(t, expr) {
			if got != want {
				t.Errorf("%s is %s, want %s: %s", expr, got, want, series)
			}
		}
	}
	body, _ := get(t, fleet.url, "text/plain")
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
