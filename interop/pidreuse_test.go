//go:build interop && linux

package interop_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// Property: processes of the stock client that all have the same pid, one after
// the other, each counting into the file of the one before, or into a new one
// where that was just archived, lose nothing and double nothing. Five hundred
// times, while the sidecar looks for the dead all the time and is killed.
func TestPIDReuse(t *testing.T) {
	rig.NeedRoot(t)
	for name, python := range map[string]string{"current client": venvPython(), "client 0.16": systemPython} {
		t.Run(name, func(t *testing.T) {
			needPython(t, python, "prometheus_client")
			const rounds, kills = 500, 5
			dir := rig.NewDirectory(t, rig.User{}, 0o755)
			sidecar := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=10ms")
			app := rig.Start(t, "samepid.py", rig.Command{Env: []string{"PROMETHEUS_MULTIPROC_DIR=" + dir},
				Args: []string{"unshare", "--pid", "--fork", "--mount-proc", python, "-B", testdata("samepid.py"), strconv.Itoa(rounds)}})
			watch := startWatch(t, dir, sidecar, tally{series: "things_total", acknowledged: func() float64 {
				return lastNumber(app.Out.String())
			}})
			for k := 1; k <= kills; k++ {
				app.Says(t, toldSoFar, rounds*k/(kills+1), time.Minute)
				sidecar.Restart(t)
			}
			end := app.Says(t, regexp.MustCompile(`end acknowledged=(\d+) lifetimes=(\d+) pids=1\b`), 1, 2*time.Minute)
			if err := app.Ended(t, 10*time.Second); err != nil {
				t.Errorf("samepid.py: %v\n%s", err, app.Out.Tail(40))
			}
			got := awaitFolded(t, dir, sidecar)
			watch.stop(t)
			want, _ := strconv.ParseFloat(end[1], 64)
			t.Logf("%s counted by %s processes of one pid; %d kills of the sidecar", end[1], end[2], kills)
			for _, series := range []string{"things_total", "thing_size_count", "thing_size_sum", `thing_size_bucket{le="1"}`} {
				if got[series].Value != want {
					t.Errorf("%s is %v, not %v", series, got[series].Value, want)
				}
			}
			if left := got.By("processes", "pid"); len(left) > 0 {
				t.Errorf("a gauge of dead processes is still there: %v", left)
			}
		})
	}
}
