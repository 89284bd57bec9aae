//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

var lifetimes = flag.Int("lifetimes", 3000, "how many processes make a file, count one and die")

// Property: processes make a file, count one and die at once, by their own hand
// right after the call returned, or killed by another before, during or after
// the birth of the file. Beside an archiver that is as fast as can be, each that
// acknowledged its count is counted exactly once, at the archiver and at a reader
// beside it; one that did not is counted once or not at all. In no scrape is
// anything missing, too much, or lower than before. In the end there are an
// archive and its spare, and neither program keeps a file open or mapped.
func TestBirth(t *testing.T) {
	n := newNursery(t, "birth")
	n.raise(*lifetimes, 8)
	n.sweepUnborn()
	n.settle()
	var left []string
	for _, pattern := range []string{"*", ".promfold/*"} {
		paths, _ := filepath.Glob(filepath.Join(n.dir, pattern))
		left = append(left, paths...)
	}
	if got := strings.ReplaceAll(strings.Join(left, " "), n.dir+"/", ""); got != ".promfold .promfold/archive.pfa .promfold/spare.pfa" {
		t.Errorf("left behind: %s", got)
	}
	for i, s := range n.readers {
		n.check(i, s.Scraped(t))
		n.checkHeld(s)
	}
}

// Property: the same for processes of a stock client that have one of a few pids
// each, so that a file is taken up again as soon as its process is dead.
func TestStockBirth(t *testing.T) {
	n := newNursery(t, "stock-birth")
	n.raise(*lifetimes/5, stockPIDs)
	n.settle()
	for i, s := range n.readers {
		n.check(i, s.Scraped(t))
		n.checkHeld(s)
	}
}

// newNursery starts an archiver and a reader on a directory of their own. The
// archiver is in another pid namespace and, where there are locks to go by, is
// another user: neither a pid nor a lease hides what the locks do wrong.
func newNursery(t *testing.T, role string) *nursery {
	dir := rig.NewDirectory(t, rig.User{}, 0o777)
	elsewhere := rig.Seat{OtherPID: true}
	if role == "birth" {
		elsewhere.User = rig.User{UID: 54321, GID: 54321}
	}
	n := &nursery{t: t, role: role, dir: dir, cohorts: make(map[string]tally), readers: []*rig.Sidecar{
		rig.StartSidecar(t, promfold(), elsewhere, dir, "--archive.interval=20ms"),
		rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--no-archive"),
	}}
	for _, s := range n.readers {
		s.Scraped(t)
		n.descriptors = append(n.descriptors, len(descriptors(t, s)))
	}
	return n
}

// sweepUnborn waits until files are gone that a kill has left before they had
// their name. They go after a minute; so they are made old.
func (n *nursery) sweepUnborn() {
	n.t.Helper()
	old := time.Now().Add(-time.Hour)
	unborn := 0
	rig.Await(n.t, patience, func() error {
		left, _ := filepath.Glob(filepath.Join(n.dir, ".worker-*.tmp"))
		unborn = max(unborn, len(left))
		for _, path := range left {
			_ = os.Chtimes(path, old, old)
		}
		if len(left) > 0 {
			return fmt.Errorf("not swept: %q", left)
		}
		return nil
	})
	n.t.Logf("%d temporary files of processes killed at birth were swept", unborn)
}

// settle waits until all is archived.
func (n *nursery) settle() {
	n.t.Helper()
	awaitArchived(n.t, n.readers[0])
	if got := n.readers[0].Scraped(n.t); got.Sum("promfold_archive_absorbed_files_total") == 0 {
		n.t.Error("nothing was archived")
	}
}

// check holds an exposition of a reader at the end against what was acknowledged.
func (n *nursery) check(reader int, got rig.Samples) {
	n.t.Helper()
	lost, doubled := 0.0, 0.0
	for group, one := range n.cohorts {
		name, death, _ := strings.Cut(group, " ")
		value := got.Sum("births_total", "cohort", name, "death", death)
		lost += max(0, float64(one.acked)-value)
		doubled += max(0, value-float64(one.acked+one.silent))
		if value < float64(one.acked) || value > float64(one.acked+one.silent) {
			n.t.Errorf("reader %d: cohort %s is %v, acknowledged %d, silent %d", reader, group, value, one.acked, one.silent)
		}
	}
	total := got.Sum("births_total")
	n.t.Logf("reader %d: %v lost, %v doubled; exposed %v, acknowledged %d, killed in silence %d",
		reader, lost, doubled, total, n.acked.Load(), n.silent.Load())
}

// checkHeld holds that a sidecar keeps nothing of files that are gone.
func (n *nursery) checkHeld(s *rig.Sidecar) {
	n.t.Helper()
	before := n.descriptors[0]
	if s == n.readers[1] {
		before = n.descriptors[1]
	}
	rig.Await(n.t, patience, func() error {
		open := descriptors(n.t, s)
		if files := within(open, n.dir+"/"); len(open) > before || len(files) > 0 {
			return fmt.Errorf("%d descriptors are open, %d before; files of processes: %q", len(open), before, files)
		}
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%s/maps", program(s)))
		if files := within(strings.Split(string(maps), "\n"), n.dir+"/"); len(files) > 0 {
			return fmt.Errorf("still mapped: %q", files)
		}
		return err
	})
}

// program is the pid of promfold itself, which who made the namespace is not.
func program(s *rig.Sidecar) string {
	for child := range s.Process().Children() {
		return child
	}
	return strconv.Itoa(s.Process().PID)
}

// descriptors are what a sidecar has open.
func descriptors(t testing.TB, s *rig.Sidecar) (open []string) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%s/fd/*", program(s)))
	if err != nil || len(links) == 0 {
		t.Fatalf("descriptors of promfold: %v, %v", links, err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			open = append(open, target)
		}
	}
	return open
}

// within are the lines that tell of a file in the directory.
func within(lines []string, dir string) (found []string) {
	for _, line := range lines {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}
