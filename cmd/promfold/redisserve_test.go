//go:build redis && linux

package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/redistest"
)

// Property: what two hosts have published one promfold without a directory serves; a host's end is
// folded, and its counts stay; while Redis is away the hosts' own scrapes go on, and the fleet's
// answers with the last good state, or 503 where that may not be old; after it came back empty all is as
// before; and no line has the password.
func TestRedisServe(t *testing.T) {
	const password = "s3cret-of-redis"
	s := redistest.Start(t, redistest.Options{Password: password})
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	redis := []string{"--redis.url=" + s.URL(), "--redis.password-file=" + file, "--redis.interval=500ms"}
	host := func(n float64) *daemon {
		dir := t.TempDir()
		count(t, dir, n)
		return serve(t, nil, append(redis, "--multiproc.dir="+dir, "--redis.publish")...)
	}
	a, b := host(3), host(4)
	patient := serve(t, nil, append(redis, "--redis.source")...)
	strict := serve(t, nil, append(redis, "--redis.source", "--redis.max-staleness=1ns")...)
	for _, d := range []*daemon{patient, strict} {
		d.eventually("jobs_total 7")
		d.eventually("busy 7")
		d.wants(`promfold_redis_up{source="namespace default"} 1`)
	}
	a.signal()
	a.ends()
	patient.eventually(`promfold_redis_hosts{namespace="default",state="live"} 1`)
	patient.eventually("busy 4")
	patient.wants("jobs_total 7")
	patient.eventually("promfold_redis_archive_generation{namespace=\"default\"} 1")
	s.Kill()
	for range 3 {
		b.wants("jobs_total 4")
		patient.wants("jobs_total 7", `promfold_redis_up{source="namespace default"} 0`)
		if status, body := strict.get("/metrics"); status != http.StatusServiceUnavailable || strings.Contains(body, password) {
			t.Errorf("status %d: %s", status, body)
		}
	}
	s.Restart()
	for _, d := range []*daemon{patient, strict} {
		eventually(t, "all is back", func() bool {
			status, body := d.get("/metrics")
			return status == http.StatusOK && strings.Contains(body, "\njobs_total 7\n") && strings.Contains(body, `promfold_redis_up{source="namespace default"} 1`)
		})
	}
	for _, d := range []*daemon{b, patient, strict} {
		d.signal()
		for line := range d.log {
			if strings.Contains(line, password) {
				t.Error(line)
			}
		}
		d.ends()
	}
}
