//go:build interop && linux

package interop_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// shop is the gunicorn example under load beside a sidecar.
type shop struct {
	python  string
	options []string // of gunicorn
	user    rig.User
	mode    os.FileMode // of the directory
	old     bool        // client_python before 0.18: no gauge of mode mostrecent

	seat      rig.Seat
	flags     []string // of promfold
	lifetimes int      // of workers, until the load ends
	kills     int      // of the sidecar, meanwhile
	violent   bool     // a worker is killed whenever the sidecar is

	dir     string
	sidecar *rig.Sidecar
	server  *rig.Process
	base    string // URL of the server
	ledger  *ledger
	watch   *watch
}

// stock is gunicorn and client_python as PyPI has them. The archiver is quicker
// than the workers, which live for half a second: did it take the living for dead,
// their counts would be missed.
func stock() *shop {
	return &shop{python: venvPython(), options: []string{"--no-control-socket", "--graceful-timeout=3"}, mode: 0o755, lifetimes: 80, kills: 10,
		flags: []string{"--archive.interval=100ms"}}
}

var (
	serving = regexp.MustCompile(`Listening at: (http://127\.0\.0\.1:\d+)`)
	booted  = regexp.MustCompile(`Booting worker with pid: (\d+)`)
)

const workers = 4

// open starts directory, sidecar and server.
func (s *shop) open(t *testing.T) {
	t.Helper()
	needPython(t, s.python, "gunicorn", "prometheus_client")
	s.dir = rig.NewDirectory(t, s.user, s.mode)
	s.sidecar = rig.StartSidecar(t, promfold(), s.seat, s.dir, s.flags...)
	args := append([]string{s.python, "-B", "-m", "gunicorn", "--bind=127.0.0.1:0"}, s.options...)
	s.server = rig.Start(t, "gunicorn", rig.Command{Args: append(args, "app:app"), Dir: example("gunicorn"), User: s.user,
		Env: []string{"PROMETHEUS_MULTIPROC_DIR=" + s.dir}})
	s.base = s.server.Says(t, serving, 1, 20*time.Second)[1]
	s.ledger = newLedger()
	s.watch = startWatch(t, s.dir, s.sidecar, s.ledger.tally("shop_orders_total"))
}

// run loads the server until so many workers have lived, and kills the sidecar
// all the while.
func (s *shop) run(t *testing.T) {
	t.Helper()
	if *full {
		s.lifetimes, s.kills = 500, 20
	}
	load := startLoad(t, s.ledger, s.base, 4)
	for k := 1; k <= s.kills; k++ {
		s.server.Says(t, booted, workers+s.lifetimes*k/(s.kills+1), time.Minute)
		for pid := range s.server.Children() {
			if number, err := strconv.Atoi(pid); err == nil && s.violent {
				_ = syscall.Kill(number, syscall.SIGKILL)
				break
			}
		}
		s.sidecar.Restart(t)
	}
	s.server.Says(t, booted, workers+s.lifetimes, 5*time.Minute)
	load.stop()
}

// settled waits until exactly the workers that live, and have taken orders, are
// in the live modes.
func (s *shop) settled(t *testing.T) {
	t.Helper()
	rig.Await(t, 20*time.Second, func() error {
		want := make(map[string]bool)
		taken := s.ledger.workers()
		for pid := range s.server.Children() {
			if taken[pid] > 0 {
				want[pid] = true
			}
		}
		got := s.sidecar.Scraped(t)
		have := got.By("shop_worker_start_time_seconds", "pid")
		for pid, started := range have {
			if started == 0 { // has not taken an order
				delete(have, pid)
			}
		}
		if sum := got.Sum("shop_workers"); int(sum) != len(want) || !slices.Equal(keys(want), keys(have)) {
			return fmt.Errorf("living workers that have taken orders: %v; exposed are %v, sum %v", keys(want), keys(have), sum)
		}
		return nil
	})
}

// close stops the server, and waits until the sidecar has folded all that it left.
func (s *shop) close(t *testing.T) rig.Samples {
	t.Helper()
	s.terminate(t)
	got := awaitFolded(t, s.dir, s.sidecar)
	for _, gauge := range []string{"shop_workers", "shop_worker_start_time_seconds"} {
		if left := got.By(gauge, "pid"); len(left) > 0 {
			t.Errorf("%s of dead workers is still there: %v", gauge, left)
		}
	}
	return got
}

func (s *shop) terminate(t *testing.T) {
	t.Helper()
	s.server.Signal(t, syscall.SIGTERM)
	if err := s.server.Ended(t, 40*time.Second); err != nil {
		t.Errorf("gunicorn: %v", err)
	}
	for _, bad := range []string{"Traceback", "exited with code"} {
		if strings.Contains(s.server.Out.String(), bad) {
			t.Errorf("gunicorn or its application failed:\n%s", s.server.Out.Tail(60))
		}
	}
}

// check compares every total and gauge with the ledger.
func (s *shop) check(t *testing.T, got rig.Samples) {
	t.Helper()
	s.watch.stop(t)
	s.ledger.check(t, got, true)
	s.ledger.checkWorkers(t, got, "shop_worker_orders")
	if got := got.Sum("shop_largest_order_amount_euros"); got != s.ledger.largest {
		t.Errorf("the largest order is %v; the ledger says %v", got, s.ledger.largest)
	}
	if s.ledger.uncertain > 0 && !s.violent {
		t.Errorf("%d connections broke, though gunicorn finishes what it has accepted", s.ledger.uncertain)
	}
	t.Logf("%d worker lifetimes, %d kills of the sidecar", len(booted.FindAllString(s.server.Out.String(), -1)), s.sidecar.Kills.Load()/2)
}

// lastOrder is one after all others, so that it is known which is the last.
func (s *shop) lastOrder(t *testing.T) {
	t.Helper()
	s.ledger.place(s.base, order{"pen", 33, 1})
	if got := s.sidecar.Scraped(t).Sum("shop_last_order_amount_euros"); got != 33 && !s.old {
		t.Errorf("the last order is %v, not 33", got)
	}
}

// whole is the scenario where all is to work.
func (s *shop) whole(t *testing.T) {
	s.open(t)
	s.run(t)
	s.lastOrder(t)
	s.settled(t)
	got := s.close(t)
	if last := got.Sum("shop_last_order_amount_euros"); last != 33 && !s.old {
		t.Errorf("after its worker's death the last order is %v, not 33", last)
	}
	s.check(t, got)
	s.watch.fewFiles(t)
	s.sidecar.Stop(t)
}

// full makes every test of gunicorn as long as the first one: too long for each
// run of CI.
var full = flag.Bool("full", false, "500 lifetimes and 20 kills of the sidecar with every kind of sidecar")

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Property: 500 workers come and go under load while the sidecar is killed 20
// times. The files stay few, no series goes down, and every total equals what the
// clients had acknowledged.
func TestGunicorn(t *testing.T) {
	s := stock()
	s.lifetimes, s.kills = 500, 20
	s.whole(t)
}

// Property: the same where the sidecar cannot see the application's processes,
// as two containers of a pod.
func TestGunicornOtherPIDNamespace(t *testing.T) {
	rig.NeedRoot(t)
	s := stock()
	s.seat.OtherPID = true
	s.whole(t)
}

var shopkeeper = rig.User{UID: 21001, GID: 21001}

// Property: the same for a user without any privilege.
func TestGunicornSameUser(t *testing.T) {
	rig.NeedRoot(t)
	for name, other := range map[string]bool{"same pid namespace": false, "other pid namespace": true} {
		t.Run(name, func(t *testing.T) {
			s := stock()
			s.user, s.seat, s.lifetimes = shopkeeper, rig.Seat{User: shopkeeper, OtherPID: other}, 40
			s.whole(t)
		})
	}
}

// Property: who may read the files, but not ask for leases, archives nothing,
// says so, and exposes the right totals all the same. Whether it may write to the
// directory makes no difference.
func TestGunicornOtherUser(t *testing.T) {
	rig.NeedRoot(t)
	for name, mode := range map[string]os.FileMode{"may read": 0o750, "may write": 0o770} {
		t.Run(name, func(t *testing.T) {
			s := stock()
			s.user, s.mode, s.lifetimes, s.kills = shopkeeper, mode, 20, 3
			s.seat = rig.Seat{User: rig.User{UID: 21002, GID: 21002, Groups: []uint32{shopkeeper.GID}}}
			s.open(t)
			s.run(t)
			s.lastOrder(t)
			s.terminate(t)
			got := s.sidecar.Scraped(t)
			s.check(t, got)
			files, aside := stockFiles(s.dir)
			if least := 8 * s.lifetimes; files < least || aside > 0 {
				t.Errorf("%d files, %d set aside; the workers made at least %d", files, aside, least)
			}
			rig.Await(t, 10*time.Second, func() error { // the archiver asks at its own pace
				got := s.sidecar.Scraped(t)
				none, unknown := got.Sum("promfold_liveness_files", "method", "none"), got.Sum("promfold_processes", "state", "unknown")
				if int(none) != files || int(unknown) != len(owners(s.dir)) {
					return fmt.Errorf("nothing is known of %v files and %v processes; there are %d and %d", none, unknown, files, len(owners(s.dir)))
				}
				return nil
			})
			if log := s.sidecar.Stop(t); !strings.Contains(log, "Cannot tell whether some processes live") {
				t.Errorf("nothing about it in the log:\n%s", log)
			}
		})
	}
}

// Property: what a worker had acknowledged when it was killed in the middle of its
// work, together with the sidecar, is not lost.
func TestGunicornKilledWorkers(t *testing.T) {
	s := stock()
	s.violent, s.kills, s.lifetimes = true, 8, 80
	s.whole(t)
}

// Property: where the operator says that pids mean the same to both, another user
// that may write can archive.
func TestGunicornOtherUserSamePIDNamespace(t *testing.T) {
	rig.NeedRoot(t)
	s := stock()
	s.user, s.mode, s.lifetimes, s.kills = shopkeeper, 0o770, 30, 4
	s.seat = rig.Seat{User: rig.User{UID: 21002, GID: 21002, Groups: []uint32{shopkeeper.GID}}}
	s.flags = append(s.flags, "--liveness.same-pid-namespace")
	s.whole(t)
}

// Property: an application that still calls mark_process_dead when a worker ends
// is not hurt by the sidecar, nor the totals by the application.
func TestGunicornMarksProcessesDead(t *testing.T) {
	s := stock()
	s.options = append(s.options, "--config="+testdata("markdead.conf.py"))
	s.flags = []string{"--archive.interval=20ms"} // meet often
	s.whole(t)
}

// Property: client_python 0.16, whose files have no timestamps, and the server and
// interpreter of a distribution.
func TestGunicornOldClient(t *testing.T) {
	s := stock()
	s.python, s.old = systemPython, true
	s.options = []string{"--graceful-timeout=3", "--config=" + testdata("old.conf.py"), "--pythonpath=" + testdata("")}
	s.whole(t)
}

// Property: with --no-archive the application's own view of its files goes on
// working, and is the sidecar's.
func TestGunicornNoArchive(t *testing.T) {
	s := stock()
	s.lifetimes, s.kills, s.flags = 10, 2, []string{"--no-archive"}
	s.open(t)
	s.run(t)
	s.lastOrder(t)
	s.terminate(t)
	theirs := rig.Start(t, "collector", rig.Command{Args: []string{s.python, "-B", testdata("collect.py")},
		Env: []string{"PROMETHEUS_MULTIPROC_DIR=" + s.dir}})
	if err := theirs.Ended(t, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	want, err := rig.Parse(theirs.Out.String())
	if err != nil {
		t.Fatal(err)
	}
	got := s.sidecar.Scraped(t).App()
	s.check(t, got)
	for key, one := range want {
		if live := one.Name == "shop_workers" || one.Name == "shop_worker_start_time_seconds"; live {
			delete(want, key) // the client's collector does not know who is dead
		}
	}
	if !maps.EqualFunc(want, got, func(a, b rig.Sample) bool { return a.Value == b.Value }) {
		t.Errorf("client_python's collector has %v, the sidecar %v", want, got)
	}
	if _, err := os.Stat(filepath.Join(s.dir, ".promfold")); err == nil {
		t.Error("there is an archive")
	}
}
