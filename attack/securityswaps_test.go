//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
)

var swapLifetimes = flag.Int("swap-lifetimes", 150, "lifetimes of processes while names are swapped under the archiver")

// swapper is an attacker who changes what names stand for, as fast as he can.
type swapper struct {
	t           *testing.T
	dir, victim string
	stop        atomic.Bool
	loops       sync.WaitGroup
	swaps       []*atomic.Int64 // of each loop
}

// loop runs swap, which tells whether it has done what it tried, in the place, until
// the attack is over and swap has been done an even number of times.
func (s *swapper) loop(place string, swap func(at int) bool) {
	s.t.Helper()
	at, err := os.Open(place) // the attacker may not follow his own links
	must(s.t, err)
	n := new(atomic.Int64)
	s.swaps = append(s.swaps, n)
	s.loops.Go(func() {
		defer at.Close()
		for !s.stop.Load() || n.Load()%2 == 1 {
			if swap(int(at.Fd())) {
				n.Add(1)
			}
		}
	})
}

// exchange swaps a name for one in the directory, and back.
func (s *swapper) exchange(place, name, with string) {
	s.loop(place, func(at int) bool {
		return unix.Renameat2(at, name, unix.AT_FDCWD, filepath.Join(s.dir, with), unix.RENAME_EXCHANGE) == nil
	})
}

// lend lets the spare be a file of the victim for a moment: one who has opened it
// may find, when he looks, that it has one name.
func (s *swapper) lend(place string) {
	secret := filepath.Join(s.victim, "secret")
	s.loop(place, func(at int) bool {
		const lent, spare = "lent", "spare.pfa"
		if unix.Linkat(unix.AT_FDCWD, secret, at, lent, 0) != nil {
			return false
		}
		done := unix.Renameat(at, lent, at, spare) == nil
		for _, name := range []string{spare, lent} {
			_ = unix.Unlinkat(at, name, 0)
		}
		return done
	})
}

func (s *swapper) end() {
	s.stop.Store(true)
	s.loops.Wait()
	for i, n := range s.swaps {
		if n.Load() == 0 {
			s.t.Errorf("loop %d has swapped nothing", i)
		}
	}
}

func (s *swapper) String() string {
	var counts []string
	for _, n := range s.swaps {
		counts = append(counts, fmt.Sprint(n.Load()))
	}
	return strings.Join(counts, " and ") + " swaps"
}

// Property: while somebody swaps promfold's own directory and the spare for links to
// another's, or makes the spare another's file for moments, as fast as he can,
// nothing changes there, no process of the application fails, and a scrape is
// complete and valid or answered with 503. When he stops, everything is archived,
// and what was counted is exposed, once.
func TestSwappedNames(t *testing.T) {
	rig.NeedRoot(t)
	t.Run("links", func(t *testing.T) {
		swapping(t, *swapLifetimes, func(s *swapper, hidden string) {
			s.exchange(s.dir, ".promfold", "link")
			s.exchange(hidden, "spare.pfa", "link-spare")
		})
	})
	t.Run("lent file", func(t *testing.T) {
		for range 10 { // an archiver that fails tries less and less often
			swapping(t, *swapLifetimes/5, func(s *swapper, hidden string) { s.lend(hidden) })
		}
	})
}

func swapping(t *testing.T, lifetimes int, attack func(s *swapper, hidden string)) {
	s := &swapper{t: t, dir: rig.NewDirectory(t, stranger, 0o777), victim: newVictim(t)}
	hidden := hiddenIn(t, s.dir)
	must(t, os.Symlink(s.victim, filepath.Join(s.dir, "link")))
	must(t, os.Link(filepath.Join(s.victim, "spare.pfa"), filepath.Join(s.dir, "link-spare")))
	before := photograph(t, s.victim)
	sidecar := rig.StartSidecar(t, promfold(), rig.Seat{}, s.dir, "--archive.interval=5ms")
	t.Cleanup(func() { s.stop.Store(true) })
	attack(s, hidden)
	native, stock, scrapes, refused := 0.0, 0.0, 0, 0
	var last rig.Monotone
	check := func(got rig.Samples) {
		scrapes++
		if faults := last.Check(got.App()); len(faults) > 0 {
			t.Error(faults)
		}
	}
	for i := range lifetimes {
		must(t, countHere(t, s.dir, 1).Close())
		dies(t, s.dir, i, 1)
		native, stock = native+1, stock+1
		if i%10 != 0 {
			continue
		}
		switch got, err := sidecar.Scrape(); {
		case err == nil:
			check(got)
		case strings.HasPrefix(err.Error(), "503 "):
			refused++
		default:
			t.Errorf("scrape: %v", err)
		}
	}
	s.end()
	rig.Await(t, patience, func() error {
		got := sidecar.Scraped(t)
		check(got)
		if n, s := got.Sum("n_total"), got.Sum("c_total"); n != native || s != stock {
			return fmt.Errorf("%v of %v and %v of %v are exposed", n, native, s, stock)
		}
		if left := got.Sum("promfold_liveness_files"); left > 0 {
			return fmt.Errorf("%v files are not archived", left)
		}
		return nil
	})
	if after := photograph(t, s.victim); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	logUnlessFailed(t, "%v, %d lifetimes, %d scrapes, %d more answered with 503; changed elsewhere: 0, lost: 0, doubled: 0",
		s, 2*lifetimes, scrapes, refused)
}
