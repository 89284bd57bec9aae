//go:build unix

package main_test

import (
	"strings"
	"testing"
)

// Property: flags of a fleet that make no sense together are refused before anything is asked of
// Redis, in one line that names them; above all what would count a directory twice.
func TestFleetMistakes(t *testing.T) {
	onDir, url := "--multiproc.dir="+t.TempDir(), "--redis.url=unix:///nowhere"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"publisher and reader":         {[]string{onDir, url, "--redis.publish", "--redis.source"}, "count its directories twice"},
		"the same, no directory":       {[]string{url, "--redis.publish", "--redis.source"}, "count its directories twice"},
		"publish nothing":              {[]string{url, "--redis.publish"}, "PROMETHEUS_MULTIPROC_DIR"},
		"publish nowhere":              {[]string{onDir, "--redis.publish"}, "--redis.url"},
		"read nowhere":                 {[]string{"--redis.source"}, "--redis.url"},
		"read another's nowhere":       {[]string{"--redis.read=pdc:x"}, "--redis.url"},
		"nothing to do":                {[]string{onDir, url}, "does nothing"},
		"publish to many":              {[]string{onDir, url, "--redis.publish", "--redis.namespace=a", "--redis.namespace=b"}, "2 times"},
		"bad namespace":                {[]string{url, "--redis.source", "--redis.namespace={a}"}, "braces"},
		"label without source":         {[]string{onDir, url, "--redis.publish", "--redis.namespace-label=fleet"}, "--redis.namespace-label"},
		"bad label":                    {[]string{url, "--redis.source", "--redis.namespace-label=a-b"}, "a-b"},
		"no interval":                  {[]string{onDir, url, "--redis.publish", "--redis.interval=0s"}, "--redis.interval=0s"},
		"negative interval":            {[]string{onDir, url, "--redis.publish", "--redis.interval=-1s"}, "--redis.interval=-1s"},
		"negative host-ttl":            {[]string{url, "--redis.source", "--redis.host-ttl=-1s"}, "--redis.host-ttl=-1s"},
		"negative retention":           {[]string{url, "--redis.source", "--redis.retention=-1s"}, "--redis.retention=-1s"},
		"negative timeout":             {[]string{url, "--redis.source", "--redis.timeout=-1s"}, "--redis.timeout=-1s"},
		"negative staleness":           {[]string{url, "--redis.source", "--redis.max-staleness=-1s"}, "--redis.max-staleness=-1s"},
		"unknown kind to read":         {[]string{url, "--redis.read=x:y"}, "x:y"},
		"help for nothing":             {[]string{url, "--redis.source", "--redis.help-file=x"}, "--redis.read"},
		"instrumentor of no namespace": {[]string{url, "--redis.read=instrumentor:"}, "instrumentor:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, append([]string{"serve", "--web.listen-address=127.0.0.1:0", "--log.level=error"}, c.args...)...)
			if r.code != 2 || !strings.Contains(r.stderr, c.want) || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("exit code %d, stderr %q, want one line with %q", r.code, r.stderr, c.want)
			}
		})
	}
}
