//go:build interop && linux

package interop_test

import (
	"fmt"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
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
	dir := newDirectory(t, user{}, 0o755)
	sidecar := startSidecar(t, seat{}, dir, "--archive.interval=200ms")
	env := []string{"PROMETHEUS_MULTIPROC_DIR=" + dir, "SHOP_DATA=" + newDirectory(t, user{}, 0o755)}
	server := start(t, "celery", command{dir: example("celery"), env: env, args: []string{venvPython(), "-B", "-m", "celery",
		"-A", "tasks", "worker", "--loglevel=info"}})
	server.says(t, celeryReady, 1, 60*time.Second)
	watch := startWatch(t, dir, sidecar, tally{})
	sender := start(t, "send.py", command{dir: example("celery"), env: env[1:],
		args: []string{venvPython(), "-B", "send.py", strconv.Itoa(invoices)}})
	for k := 1; k <= kills; k++ {
		await(t, 60*time.Second, func() error {
			if done := sidecar.scraped(t).sum("shop_tasks_total"); done < float64(invoices*k/(kills+1)) {
				return fmt.Errorf("%v tasks done", done)
			}
			return nil
		})
		sidecar.restart(t)
	}
	if err := sender.ended(t, 2*time.Minute); err != nil {
		t.Fatalf("send.py: %v\n%s", err, sender.out.tail(20))
	}
	server.signal(t, syscall.SIGTERM)
	_ = server.ended(t, 30*time.Second)
	got := awaitFolded(t, dir, sidecar)
	watch.stop(t)
	watch.fewFiles(t)

	told := func(re *regexp.Regexp) float64 {
		n, _ := strconv.ParseFloat(sender.says(t, re, 1, time.Second)[1], 64)
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
		if got[key].value != want {
			t.Errorf("%s is %v, not %v", key, got[key].value, want)
		}
	}
	used := 0
	for _, n := range got.by("shop_process_tasks", "pid") {
		if n > 0 {
			used++
		}
	}
	if used != int(processes) || got.sum("shop_process_tasks") != sent+reminded {
		t.Errorf("shop_process_tasks has %d processes and %v tasks", used, got.sum("shop_process_tasks"))
	}
	if left := got.by("shop_processes_used", "pid"); len(left) > 0 {
		t.Errorf("shop_processes_used of dead processes is still there: %v", left)
	}
}

// awaitFolded waits until all that dead processes left is archived, and scrapes.
func awaitFolded(t *testing.T, dir string, s *sidecar) (got samples) {
	t.Helper()
	await(t, 30*time.Second, func() error {
		listed, aside := stockFiles(dir)
		got = s.scraped(t)
		if live := got.sum("promfold_processes"); listed+aside > 0 || live > 0 {
			return fmt.Errorf("%d files are left in the directory, %d set aside, of %v processes", listed, aside, live)
		}
		return nil
	})
	return got
}
