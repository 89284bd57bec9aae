//go:build interop && linux

package interop_test

import (
	"fmt"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

var (
	celeryReady = regexp.MustCompile(`celery@\S+ ready\.`)
	sentInvoice = regexp.MustCompile(`invoice=(\d+)`)
	sentRemind  = regexp.MustCompile(`remind=(\d+)`)
	sentBy      = regexp.MustCompile(`processes=(\d+)`)
)

// Property: the processes of Celery's prefork pool are replaced after 20 tasks
// each, and the sidecar is killed ten times; every task whose result came back is
// counted once.
func TestCelery(t *testing.T) {
	needPython(t, venvPython(), "celery", "prometheus_client")
	const invoices, kills, perProcess = 600, 10, 20
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	sidecar := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=200ms")
	env := []string{"PROMETHEUS_MULTIPROC_DIR=" + dir, "SHOP_DATA=" + rig.NewDirectory(t, rig.User{}, 0o755)}
	server := rig.Start(t, "celery", rig.Command{Dir: example("celery"), Env: env, Args: []string{venvPython(), "-B", "-m", "celery",
		"-A", "tasks", "worker", "--loglevel=info"}})
	server.Says(t, celeryReady, 1, 60*time.Second)
	watch := startWatch(t, dir, sidecar, tally{})
	sender := rig.Start(t, "send.py", rig.Command{Dir: example("celery"), Env: env[1:],
		Args: []string{venvPython(), "-B", "send.py", strconv.Itoa(invoices)}})
	for k := 1; k <= kills; k++ {
		rig.Await(t, 60*time.Second, func() error {
			if done := sidecar.Scraped(t).Sum("shop_tasks_total"); done < float64(invoices*k/(kills+1)) {
				return fmt.Errorf("%v tasks done", done)
			}
			return nil
		})
		sidecar.Restart(t)
	}
	if err := sender.Ended(t, 2*time.Minute); err != nil {
		t.Fatalf("send.py: %v\n%s", err, sender.Out.Tail(20))
	}
	server.Signal(t, syscall.SIGTERM)
	_ = server.Ended(t, 30*time.Second)
	got := awaitFolded(t, dir, sidecar)
	watch.stop(t)
	watch.fewFiles(t)

	told := func(re *regexp.Regexp) float64 {
		n, _ := strconv.ParseFloat(sender.Says(t, re, 1, time.Second)[1], 64)
		return n
	}
	sent, reminded, processes := told(sentInvoice), told(sentRemind), told(sentBy)
	t.Logf("%v invoices and %v reminders done by %v processes; %d kills of the sidecar", sent, reminded, processes, kills)
	if sent != invoices || reminded != invoices/2 || processes < (invoices+invoices/2)/perProcess {
		t.Errorf("the application has done %v invoices and %v reminders in %v processes", sent, reminded, processes)
	}
	for key, want := range map[string]float64{
		`shop_tasks_total{task="invoice"}`:                      sent,
		`shop_tasks_total{task="remind"}`:                       reminded,
		"shop_invoice_amount_euros_count":                       sent,
		"shop_invoice_amount_euros_sum":                         sent * 20, // the mean of 0.5 to 39.5
		`shop_invoice_amount_euros_bucket{le="20"}`:             sent / 2,
		`shop_invoice_amount_euros_bucket{le="` + "+Inf" + `"}`: sent,
	} {
		if got[key].Value != want {
			t.Errorf("%s is %v, not %v", key, got[key].Value, want)
		}
	}
	used := 0
	for _, n := range got.By("shop_process_tasks", "pid") {
		if n > 0 {
			used++
		}
	}
	if used != int(processes) || got.Sum("shop_process_tasks") != sent+reminded {
		t.Errorf("shop_process_tasks has %d processes and %v tasks", used, got.Sum("shop_process_tasks"))
	}
	if left := got.By("shop_processes_used", "pid"); len(left) > 0 {
		t.Errorf("shop_processes_used of dead processes is still there: %v", left)
	}
}

// awaitFolded waits until all that dead processes left is archived, and scrapes.
func awaitFolded(t *testing.T, dir string, s *rig.Sidecar) (got rig.Samples) {
	t.Helper()
	rig.Await(t, 30*time.Second, func() error {
		listed, aside := stockFiles(dir)
		got = s.Scraped(t)
		if live := got.Sum("promfold_processes"); listed+aside > 0 || live > 0 {
			return fmt.Errorf("%d files are left in the directory, %d set aside, of %v processes", listed, aside, live)
		}
		return nil
	})
	return got
}
