//go:build interop && linux

package interop_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

const systemRuby = "/usr/bin/ruby"

func needRuby(t *testing.T, feature string) {
	t.Helper()
	err := exec.Command(systemRuby, "-e", "require '"+feature+"'").Run()
	needThat(t, err == nil, feature+" for "+systemRuby)
}

var (
	toldSoFar = regexp.MustCompile(`acknowledged=(\d+)`)
	toldEnd   = regexp.MustCompile(`end acknowledged=(\d+) lifetimes=(\d+)`)
)

// forked is a script whose forked workers count, exit or kill themselves, and are
// replaced. It prints what they had counted after the death of each.
type forked struct {
	script    []string
	dir       string
	lifetimes int
	kills     int
	counter   string
	flags     []string
}

// Property: whatever the workers had counted when they ended is exposed at the
// end, once.
func (f *forked) run(t *testing.T) rig.Samples {
	t.Helper()
	f.dir = rig.NewDirectory(t, rig.User{}, 0o755)
	sidecar := rig.StartSidecar(t, promfold(), rig.Seat{}, f.dir, append([]string{"--archive.interval=200ms"}, f.flags...)...)
	app := rig.Start(t, "forking script", rig.Command{Args: append(f.script, strconv.Itoa(f.lifetimes)),
		Env: []string{"prometheus_multiproc_dir=" + f.dir, "PROMETHEUS_MULTIPROC_DIR=" + f.dir}})
	watch := startWatch(t, f.dir, sidecar, tally{series: f.counter, acknowledged: func() float64 {
		return lastNumber(app.Out.String())
	}})
	for k := 1; k <= f.kills; k++ {
		app.Says(t, toldSoFar, f.lifetimes*k/(f.kills+1), time.Minute)
		sidecar.Restart(t)
	}
	end := app.Says(t, toldEnd, 1, 2*time.Minute)
	if err := app.Ended(t, 10*time.Second); err != nil {
		t.Errorf("the script: %v\n%s", err, app.Out.Tail(40))
	}
	if bad := regexp.MustCompile(`(?i)error|warn`).FindString(app.Out.String()); bad != "" {
		t.Errorf("the client complained:\n%s", app.Out.Tail(40))
	}
	got := awaitFolded(t, f.dir, sidecar)
	watch.stop(t)
	watch.fewFiles(t)
	want, _ := strconv.ParseFloat(end[1], 64)
	t.Logf("%s counted by %s workers, %d kills of the sidecar", end[1], end[2], f.kills)
	for _, name := range []string{f.counter, "shop_order_amount_euros_count"} {
		if total := got.Sum(name); total != want {
			t.Errorf("%s is %v, not %v", name, total, want)
		}
	}
	if total := got.Sum("shop_order_amount_euros_sum"); total != 7.5*want {
		t.Errorf("shop_order_amount_euros_sum is %v, not %v", total, 7.5*want)
	}
	if left := got.By("shop_workers", "pid"); len(left) > 0 {
		t.Errorf("shop_workers of dead workers is still there: %v", left)
	}
	return got
}

// lastNumber is what a script said last that its dead workers had counted.
func lastNumber(out string) float64 {
	i := strings.LastIndex(out, "acknowledged=")
	if i < 0 {
		return 0
	}
	var n float64
	if end := strings.IndexAny(out[i:], " \n"); end > 0 {
		_, _ = fmt.Sscanf(out[i:i+end], "acknowledged=%g", &n)
	}
	return n
}

// Property: GitLab's prometheus-client-mmap in forked workers, with files named
// after pids.
func TestRubyMmap(t *testing.T) {
	needRuby(t, "fast_mmaped_file")
	f := &forked{script: []string{systemRuby, testdata("mmap.rb"), "pid"}, lifetimes: 120, kills: 10, counter: "shop_orders_total"}
	f.run(t)
}

// Property: the same with files named after the number of the worker, so that
// each worker takes up the file of the dead one before it, or finds that it was
// archived.
func TestRubyMmapSameNames(t *testing.T) {
	needRuby(t, "fast_mmaped_file")
	f := &forked{script: []string{systemRuby, testdata("mmap.rb"), "worker"}, lifetimes: 120, kills: 10, counter: "shop_orders_total"}
	f.run(t)
}
