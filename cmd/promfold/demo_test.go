//go:build unix

package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// Over a run of the demo, with its kills, nothing that was acknowledged is
// lost, and nothing is counted twice. The demo itself checks that nothing goes
// down between scrapes, and that each shows what was acknowledged before it.
func TestDemo(t *testing.T) {
	for _, batch := range []int{1, 50} {
		r := run(t, "demo", "--for=2s", "--kill-every=60ms", "--workers=3", "--web.listen-address=127.0.0.1:0",
			fmt.Sprintf("--batch=%d", batch))
		if r.code != 0 {
			t.Fatalf("batch %d: %+v", batch, r)
		}
		var acknowledged, exposed, bound, killed, archived uint64
		var files int
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		_, err := fmt.Sscanf(lines[len(lines)-1], "ledger: acknowledged=%d exposed=%d bound=%d killed=%d archived=%d files=%d",
			&acknowledged, &exposed, &bound, &killed, &archived, &files)
		if err != nil {
			t.Fatalf("%v: %s", err, r.stdout)
		}
		if acknowledged == 0 || exposed < acknowledged || exposed > acknowledged+bound {
			t.Errorf("batch %d: %s", batch, r.stdout)
		}
		if killed < 3 || archived == 0 || bound != killed*2*uint64(batch) || files != 0 {
			t.Errorf("batch %d: %s", batch, r.stdout)
		}
		if !strings.Contains(lines[0], "http://127.0.0.1:") {
			t.Errorf("no address in %q", lines[0])
		}
	}
}
