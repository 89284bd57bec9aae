//go:build interop && linux

package interop_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// exampleRun is an example, started by its own script as its README says.
type exampleRun struct {
	place   string
	env     []string
	dir     string
	app     *rig.Process
	sidecar *rig.Sidecar
}

// startExample runs both commands of the README, on ports that are free. The
// variable names the multiprocess directory.
func startExample(t *testing.T, name, variable string, flags ...string) *exampleRun {
	t.Helper()
	place, err := filepath.Abs(filepath.Join("../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	x := &exampleRun{place: place, dir: rig.NewDirectory(t, rig.User{}, 0o755)}
	x.env = []string{variable + "=" + x.dir, "SHOP_DATA=" + rig.NewDirectory(t, rig.User{}, 0o755), "PYTHONDONTWRITEBYTECODE=1",
		"PATH=" + stage + ":" + venv("bin") + ":" + os.Getenv("PATH")}
	x.app = rig.Start(t, name, x.command(append([]string{"app"}, flags...)...))
	x.sidecar = rig.StartAs(t, x.command("sidecar", "--web.listen-address=127.0.0.1:0", "--archive.interval=200ms"))
	return x
}

func (x *exampleRun) command(args ...string) rig.Command {
	return rig.Command{Args: append([]string{"./run"}, args...), Dir: x.place, Env: x.env}
}

// take places orders until there are enough, waiting first until one is taken.
func (x *exampleRun) take(t *testing.T, base string, orders int) *ledger {
	t.Helper()
	rig.Await(t, time.Minute, func() error {
		resp, err := http.Get(base + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	l := newLedger()
	for n := range orders {
		l.place(base, nthOrder(n))
	}
	return l
}

// stop stops the application as Ctrl-C does, and returns what is exposed after its
// death.
func (x *exampleRun) stop(t *testing.T) rig.Samples {
	t.Helper()
	_ = syscall.Kill(-x.app.PID, syscall.SIGINT)
	_ = x.app.Ended(t, 40*time.Second)
	return awaitFolded(t, x.dir, x.sidecar)
}

// Property: the example of gunicorn works as its README says.
func TestExampleGunicorn(t *testing.T) {
	needPython(t, venvPython(), "gunicorn", "prometheus_client")
	x := startExample(t, "gunicorn", "PROMETHEUS_MULTIPROC_DIR", "--bind=127.0.0.1:0", "--no-control-socket", "--graceful-timeout=3")
	l := x.take(t, x.app.Says(t, serving, 1, 20*time.Second)[1], 500)
	l.check(t, x.sidecar.Scraped(t), true)
	got := x.stop(t)
	l.check(t, got, true)
	l.checkWorkers(t, got, "shop_worker_orders")
	if left := got.By("shop_workers", "pid"); len(left) > 0 {
		t.Errorf("shop_workers is %v after all workers have died", left)
	}
}

// Property: the example of Celery works as its README says.
func TestExampleCelery(t *testing.T) {
	needPython(t, venvPython(), "celery", "prometheus_client")
	x := startExample(t, "celery", "PROMETHEUS_MULTIPROC_DIR")
	x.app.Says(t, celeryReady, 1, time.Minute)
	send := rig.Start(t, "send", x.command("send", "100"))
	if err := send.Ended(t, time.Minute); err != nil {
		t.Fatal(err)
	}
	for range 2 { // while it lives, and after
		got := x.sidecar.Scraped(t)
		if a, b := got.Sum("shop_tasks_total", "task", "invoice"), got.Sum("shop_tasks_total", "task", "remind"); a != 100 || b != 50 {
			t.Errorf("%v invoices, %v reminders", a, b)
		}
		x.stop(t)
	}
}

var pumaServing = regexp.MustCompile(`Listening on (http://127\.0\.0\.1:\d+)`)

// Property: the example of Puma works as its README says, and goes on doing so
// while its workers are replaced, twenty times.
func TestExamplePuma(t *testing.T) {
	needProgram(t, "puma")
	needRuby(t, "fast_mmaped_file")
	x := startExample(t, "puma", "prometheus_multiproc_dir", "--bind", "tcp://127.0.0.1:0")
	base := x.app.Says(t, pumaServing, 1, 30*time.Second)[1]
	l := x.take(t, base, 100)
	l.check(t, x.sidecar.Scraped(t), false)
	watch := startWatch(t, x.dir, x.sidecar, l.tally("shop_orders_total"))
	load := startLoad(t, l, base, 2)
	for replaced := 1; replaced <= 20; replaced++ {
		replaceWorker(t, x.app, l, replaced)
	}
	load.stop()
	got := x.stop(t)
	watch.stop(t)
	watch.fewFiles(t)
	l.check(t, got, false)
	l.checkWorkers(t, got, "shop_worker_orders")
	// The middleware has seen what did not count as an order, too.
	if seen := got.Sum("http_requests_total", "path", "/order", "code", "200"); seen != got.Sum("shop_orders_total") {
		t.Errorf("the middleware has counted %v, the application %v", seen, got.Sum("shop_orders_total"))
	}
	if left := got.By("shop_workers", "pid"); len(left) > 0 {
		t.Errorf("shop_workers is %v after all workers have died", left)
	}
}

// replaceWorker ends a worker that has taken orders, and waits until a new one has.
func replaceWorker(t *testing.T, app *rig.Process, l *ledger, n int) {
	t.Helper()
	taken := l.workers()
	for pid := range app.Children() {
		if taken[pid] == 0 {
			continue
		}
		if number, err := strconv.Atoi(pid); err == nil {
			_ = syscall.Kill(number, syscall.SIGTERM)
			break
		}
	}
	rig.Await(t, 30*time.Second, func() error {
		if now := len(l.workers()); now <= len(taken) {
			return fmt.Errorf("%d workers have taken orders after %d replacements", now, n)
		}
		return nil
	})
}

// Property: the example of Fiber works as its README says.
func TestExampleFiberPrefork(t *testing.T) {
	needProgram(t, "go")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	x := startExample(t, "fiber-prefork", "PROMETHEUS_MULTIPROC_DIR", "-listen", address)
	l := x.take(t, "http://"+address, 300)
	for _, got := range []rig.Samples{x.sidecar.Scraped(t), x.stop(t)} {
		for item, n := range l.byItem {
			if have := got.Sum("shop_orders_total", "item", item); have != float64(n) {
				t.Errorf("%v orders of %s; the ledger says %d", have, item, n)
			}
		}
		l.equal(t, got, "shop_order_amount_euros_count", float64(l.acked), 1)
		l.equal(t, got, "shop_order_amount_euros_sum", l.amount, 60)
		l.checkWorkers(t, got, "shop_worker_orders")
	}
	if left := x.sidecar.Scraped(t).By("shop_workers", "pid"); len(left) > 0 {
		t.Errorf("shop_workers is %v after all workers have died", left)
	}
}
