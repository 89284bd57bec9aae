//go:build attack && linux

package attack_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

func init() { roles["limited"] = limited }

// limited is a worker that has little of something before it opens its store, or
// from then on.
func limited() error {
	dir, what, moment := os.Args[1], os.Args[2], os.Args[3]
	amount, err := strconv.ParseUint(os.Args[4], 10, 64)
	if err != nil {
		return err
	}
	vec := worker.NewCounterVec(prometheus.CounterOpts{Name: "limited_total", Help: "Counted."}, []string{"n"})
	if moment == "before" {
		if err := limit(what, amount); err != nil {
			return err
		}
	}
	store, failed := worker.Open(dir)
	if what == "memory" { // Go itself does not live long without
		if err := setLimit(os.Getpid(), unix.RLIMIT_AS, math.MaxUint64); err != nil {
			return err
		}
	}
	if own, _ := filepath.Glob(filepath.Join(dir, "*worker-"+strconv.Itoa(os.Getpid())+"-*")); failed != nil && len(own) > 0 {
		return fmt.Errorf("%w, but there is %q", failed, own)
	}
	if moment == "after" {
		if err := limit(what, amount); err != nil {
			return err
		}
	}
	for range 3 {
		for n := range limitedSeries {
			vec.WithLabelValues(strconv.Itoa(n)).Inc()
		}
		store.Flush()
	}
	s := store.Stats()
	if failed != nil {
		fmt.Printf("refused: %v\n", failed)
	}
	if store.Path() != "" { // which may have been made later
		fmt.Printf("placed %d\n", s.Series-s.Homeless)
	}
	return store.Close()
}

// limitedSeries need more than one chunk of the file.
const limitedSeries = 1500

// limit leaves the process that much of something.
func limit(what string, amount uint64) error {
	switch what {
	case "descriptors":
		next, err := unix.Dup(0) // the lowest that is free
		if err != nil {
			return err
		}
		if err := unix.Close(next); err != nil {
			return err
		}
		return setLimit(os.Getpid(), unix.RLIMIT_NOFILE, uint64(next)+amount)
	case "memory":
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			return err
		}
		var pages uint64
		if _, err := fmt.Sscan(string(statm), &pages); err != nil {
			return err
		}
		return setLimit(os.Getpid(), unix.RLIMIT_AS, pages*uint64(os.Getpagesize())+amount)
	case "file size":
		return setLimit(os.Getpid(), unix.RLIMIT_FSIZE, amount)
	}
	return fmt.Errorf("no limit of %s", what)
}

// setLimit sets the soft limit of a process.
func setLimit(pid, resource int, amount uint64) error {
	var l unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &l); err != nil {
		return err
	}
	l.Cur = min(amount, l.Max)
	return unix.Prlimit(pid, resource, &l, nil)
}

// Property: a worker that may open no more files, or only so many, or whose files
// may not grow, or that may not map one, before it opens its store or after, lives
// and counts on. What has its place in the file is archived with all that was
// counted, and nothing more. A store without a file leaves none, and makes one when it can.
func TestLimitedWorkers(t *testing.T) {
	amounts := map[string][]uint64{
		"descriptors": {0, 1, 2, 3, 4, 5, 6, 8, 10},
		"file size":   {0, 1, 4096, 64<<10 - 1, 64 << 10, 64<<10 + 1, 100 << 10, 128 << 10},
		"memory":      {0, 4096, 32 << 10, 1 << 20},
	}
	for what, amounts := range amounts {
		t.Run(what, func(t *testing.T) {
			dir := rig.NewDirectory(t, rig.User{}, 0o777)
			s := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=50ms")
			workers, placed, refused := 0, 0, 0
			for _, amount := range amounts {
				for _, moment := range []string{"before", "after"} {
					if what == "memory" && moment == "after" {
						continue
					}
					command := inRole("limited", dir, what, moment, strconv.FormatUint(amount, 10))
					workers++
					p := rig.Start(t, fmt.Sprint(amount, " ", what, " ", moment), command)
					if err := p.Ended(t, patience); err != nil {
						t.Errorf("%s: %v\n%s", p.Name, err, p.Out.Tail(40))
						continue
					}
					var n int
					out := p.Out.String()
					if i := strings.Index(out, "placed "); i >= 0 {
						_, _ = fmt.Sscanf(out[i:], "placed %d", &n)
						placed += n
					}
					if strings.Contains(out, "refused") {
						refused++
					}
				}
			}
			awaitArchived(t, s)
			if got := s.Scraped(t).Sum("limited_total"); got != float64(3*placed) {
				t.Errorf("exposed %v, counted %d", got, 3*placed)
			}
			if placed == 0 || refused == 0 {
				t.Errorf("%d series found a place, and %d workers had no file at first", placed, refused)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
				t.Errorf("left behind: %q", left)
			}
			t.Logf("%d workers, %d without a file at first; %d series found a place", workers, refused, placed)
		})
	}
}
