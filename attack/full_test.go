//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
)

var fillings = flag.Int("fillings", 3, "how often a small file system is filled, and room made in it by a death")

// Property: on a file system without a page left, every worker lives, no metric
// call fails, and series that have their place go on counting exactly. Those
// without are counted as dropped, by the worker, in its file, and by promfold. A
// worker that can make no file at all lives on, and says so once. Nothing that was
// exposed falls or leaves, at the archiver and at a reader beside it. Who dies is
// archived though there is no page left, if promfold was there before it was so;
// then those who wait for room find it, with all that they have counted
// meanwhile, and new workers have files again.
func TestFullOfBytes(t *testing.T) {
	h := newHouse(t, rig.Tmpfs(t, "size=256k,mode=0777"), rig.User{}, 4)
	h.fillAndDie(bytesFull, func(st *unix.Statfs_t) uint64 { return st.Bfree })
}

// Property: the same on a file system without an inode left.
func TestFullOfInodes(t *testing.T) {
	h := newHouse(t, rig.Tmpfs(t, "size=1m,nr_inodes=12,mode=0777"), rig.User{}, 4)
	h.fillAndDie(inodesFull, func(st *unix.Statfs_t) uint64 { return st.Ffree })
}

// Property: the same on a file system with neither a page nor an inode left.
func TestFullOfBoth(t *testing.T) {
	h := newHouse(t, rig.Tmpfs(t, "size=256k,nr_inodes=12,mode=0777"), rig.User{}, 4)
	h.fillAndDie(bothFull, func(st *unix.Statfs_t) uint64 { return st.Bfree + st.Ffree })
}

// fillAndDie fills the house and lets one die, again and again.
func (h *house) fillAndDie(what string, left func(*unix.Statfs_t) uint64) {
	t := h.t
	for slot := range 3 {
		if !h.move(slot) {
			t.Fatalf("no room at the beginning: %s", h.living[slot].err)
		}
	}
	stop := h.watch()
	homeless, series := 0, 0
	for n := range *fillings {
		for _, w := range h.living[:3] {
			w.grow(t, max(0, 60-len(w.each)))
		}
		rounds(t, h.readers[0], 2) // in which it takes the room that it will need
		free := h.fill(what)
		var st unix.Statfs_t
		if err := unix.Statfs(h.dir, &st); err != nil || left(&st) > 0 {
			t.Fatalf("%d %s left: %v", left(&st), what, err)
		}
		if h.move(3) {
			t.Fatalf("a worker has found room where there is none")
		}
		for _, w := range h.living {
			w.grow(t, 60) // more than fits into what they have
			w.count(t, 3)
			homeless += w.last.Stats.Homeless
			series += len(w.each)
		}
		h.check()
		h.stay(h.living[3])
		h.kill(n % 3)
		h.archived()
		h.check()
		free()
		h.settled()
		if !h.move(n % 3) {
			t.Errorf("no room for a new worker: %s", h.living[n%3].err)
		}
		h.check()
	}
	h.end(stop)
	t.Logf("full of %s %d times: %d series made, %d of them homeless at the time, %d checks, %d scrapes",
		what, *fillings, series, homeless, h.checks, h.scrapes.Load())
}

// Property: where workers take all room at once, faster than promfold can see what
// it will need, and more than there is for their counts and an archive of them, the
// dead may have to wait; but still every worker lives, and what is exposed is
// exact and stays. Once there is room all of it is archived, and the homeless have
// their places.
func TestOverfull(t *testing.T) {
	dir := rig.Tmpfs(t, "size=256k,mode=0777")
	h := openHouse(t, dir, dir, rig.User{}, 3)
	for slot := range h.living {
		h.move(slot)
	}
	stop := h.watch()
	for full := false; !full; {
		full = true
		for _, w := range h.living {
			s := w.grow(t, 100)
			full = full && s.Stats.Homeless > 0
		}
	}
	for _, w := range h.living {
		w.count(t, 2)
	}
	h.check()
	h.kill(0)
	h.kill(1)
	rounds(t, h.readers[0], 3)
	h.check()
	waiting, _ := filepath.Glob(filepath.Join(dir, "worker-*.pfm"))
	if err := unix.Mount("", dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	h.archived()
	h.settled()
	h.check()
	h.end(stop)
	t.Logf("%d of 2 dead had to wait for room; %d checks, %d scrapes", len(waiting)-1, h.checks, h.scrapes.Load())
}

// end lets all workers end in good order: whatever they met, they live.
func (h *house) end(stop func()) {
	h.t.Helper()
	stop()
	for slot, w := range h.living {
		if w != nil {
			w.stop(h.t)
			h.t.Logf("worker %d: slowest metric call %v", w.serial, w.last.Slowest)
		}
		h.living[slot] = nil
	}
	h.archived()
}

// stay is the end of a worker that could make no file, in a directory without room
// to the end: it has lived well, and said so once.
func (h *house) stay(w *hoarder) {
	h.t.Helper()
	w.count(h.t, 1)
	w.stop(h.t)
	h.living[w.slot] = nil
	if n := strings.Count(w.Out.String(), "metrics stay in the memory of this process"); n != 1 || !strings.Contains(w.err, "no space left") {
		h.t.Errorf("worker %d: Open says %q, the log %d times:\n%s", w.serial, w.err, n, w.Out.Tail(10))
	}
	if s := w.last.Stats; s.Series != len(w.each)+2 {
		h.t.Errorf("worker %d: %s", w.serial, fmt.Sprintf("%+v", s))
	}
}
