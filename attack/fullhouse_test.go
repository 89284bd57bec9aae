//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/mmapstore"
)

// house is a directory with little room, who lives in it, and what they have
// acknowledged.
type house struct {
	t       *testing.T
	dir     string
	user    rig.User
	readers []*rig.Sidecar
	serials int
	living  []*hoarder // by slot
	killed  []*hoarder
	// dead is what was exposed of the series of a slot when its workers died.
	dead   []map[int]float64
	checks int

	mu     sync.Mutex // guards housed
	housed []*hoarder // whose base series have a place, living and dead

	scrapes atomic.Int64
}

// newHouse is a house in which a first worker has lived and died, so that there
// is an archive.
func newHouse(t *testing.T, dir string, user rig.User, slots int) *house {
	t.Helper()
	h := openHouse(t, dir, dir, user, slots)
	h.move(0)
	h.living[0].grow(t, 1)
	h.check()
	h.kill(0)
	h.archived()
	return h
}

// openHouse starts an archiver and a reader beside it, who know the directory
// under another path, maybe.
func openHouse(t *testing.T, dir, view string, user rig.User, slots int) *house {
	t.Helper()
	h := &house{t: t, dir: dir, user: user, living: make([]*hoarder, slots)}
	for range slots {
		h.dead = append(h.dead, make(map[int]float64))
	}
	h.readers = []*rig.Sidecar{
		rig.StartSidecar(t, promfold(), rig.Seat{User: user}, view, "--archive.interval=50ms"),
		rig.StartSidecar(t, promfold(), rig.Seat{User: user}, view, "--no-archive"),
	}
	return h
}

// move starts a worker in a slot, and reports whether it has a file.
func (h *house) move(slot int) bool {
	h.t.Helper()
	w := startHoarder(h.t, h.dir, slot, h.serials, func(c *rig.Command) { c.User = h.user })
	h.serials++
	h.living[slot] = w
	if w.err != "" {
		return false
	}
	rig.Await(h.t, patience, func() error {
		if s := w.ask(h.t, askStats); s.Stats.Homeless > 0 {
			return fmt.Errorf("worker %d has a file and no room for its first series: %+v\n%s", w.serial, s.Stats, h.sizes())
		}
		return nil
	})
	h.mu.Lock()
	h.housed = append(h.housed, w)
	h.mu.Unlock()
	return true
}

// watch scrapes the readers all the time: nothing falls or leaves, nothing
// acknowledged is missing.
func (h *house) watch() (stop func()) {
	var watchers sync.WaitGroup
	quit := make(chan struct{})
	for i, s := range h.readers {
		watchers.Go(func() {
			var seen rig.Monotone
			for {
				h.look(i, s, &seen)
				select {
				case <-quit:
					return
				case <-time.After(rand.N(100 * time.Millisecond)):
				}
			}
		})
	}
	var once sync.Once
	stop = func() {
		once.Do(func() { close(quit) })
		watchers.Wait()
	}
	h.t.Cleanup(stop)
	return stop
}

func (h *house) look(reader int, s *rig.Sidecar, seen *rig.Monotone) {
	least := h.acknowledged()
	got, err := s.Scrape()
	if err != nil {
		h.t.Errorf("reader %d: %v", reader, err)
		return
	}
	h.scrapes.Add(1)
	for serial, n := range least {
		if value := got.Sum("full_base_total", "serial", serial); value < n {
			h.t.Errorf("reader %d: worker %s has acknowledged %v and is exposed with %v", reader, serial, n, value)
		}
	}
	for _, fault := range seen.Check(got.App()) {
		h.t.Errorf("reader %d: %s", reader, fault)
	}
}

func (h *house) acknowledged() map[string]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	least := make(map[string]float64)
	for _, w := range h.housed {
		least[strconv.Itoa(w.serial)] = float64(w.base.Load() * baseStep)
	}
	return least
}

// check lets all workers rest and holds what both readers show against what they
// have acknowledged: a series is exposed with all that was counted in it, or its
// worker says that it has no place.
func (h *house) check() {
	h.t.Helper()
	h.checks++
	for _, w := range h.living {
		if w != nil {
			w.ask(h.t, askRest)
			defer w.ask(h.t, askGoOn)
		}
	}
	for i, s := range h.readers {
		got := s.Scraped(h.t)
		dropped := h.droppedByDead()
		for slot, w := range h.living {
			h.checkSlot(i, got, slot)
			if w != nil && w.err == "" {
				dropped += float64(w.last.Stats.Dropped)
				h.checkDropped(w)
			}
		}
		if n := got.Sum("promfold_dropped_series"); n != dropped {
			h.t.Errorf("reader %d: promfold_dropped_series is %v, the workers say %v", i, n, dropped)
		}
		h.checkBase(i, got)
	}
}

// droppedByDead is what those say whose files are still there.
func (h *house) droppedByDead() (n float64) {
	for _, w := range h.killed {
		if len(h.files(w)) > 0 {
			n += float64(w.last.Stats.Dropped)
		}
	}
	return n
}

func (h *house) files(w *hoarder) []string {
	paths, _ := filepath.Glob(filepath.Join(h.dir, fmt.Sprintf("worker-%d-*.pfm", w.PID)))
	return paths
}

// checkSlot holds the series of a slot against what its workers have counted.
func (h *house) checkSlot(reader int, got rig.Samples, slot int) {
	h.t.Helper()
	for n, want := range h.dead[slot] {
		if w := h.living[slot]; grown(got, slot, n) != want && (w == nil || n >= len(w.each)) {
			h.t.Errorf("reader %d: series %d of slot %d is %v, the dead have counted %v", reader, n, slot, grown(got, slot, n), want)
		}
	}
	w := h.living[slot]
	if w == nil {
		return
	}
	homeless, most := 0, w.last.Stats.Homeless // some may find room any time
	least := w.ask(h.t, askStats).Stats.Homeless
	for n, counted := range w.each {
		switch value, dead := grown(got, slot, n), h.dead[slot][n]; value {
		case dead + counted:
		case dead:
			homeless++
		default:
			h.t.Errorf("reader %d: series %d of slot %d is %v: the dead have counted %v, the living one %v",
				reader, n, slot, value, dead, counted)
		}
	}
	if w.err != "" {
		least, most = len(w.each), len(w.each)
	}
	if homeless < least || homeless > most {
		h.t.Errorf("reader %d: %d series of worker %d are not exposed; it says %d to %d", reader, homeless, w.serial, least, most)
	}
}

// grown is the nth series of a slot.
func grown(got rig.Samples, slot, n int) float64 {
	return got[fmt.Sprintf(`full_grown_total{n="%d",slot="%d"}`, n, slot)].Value
}

// checkBase holds what is counted all the time against what was acknowledged.
func (h *house) checkBase(reader int, got rig.Samples) {
	h.t.Helper()
	for serial, n := range h.acknowledged() {
		for _, name := range []string{"full_base_total", "full_base_size_count"} {
			if value := got.Sum(name, "serial", serial); value != n {
				h.t.Errorf("reader %d: %s of worker %s is %v, acknowledged %v", reader, name, serial, value, n)
			}
		}
	}
}

// checkDropped holds the count in a worker's file against what the worker says.
func (h *house) checkDropped(w *hoarder) {
	h.t.Helper()
	paths := h.files(w)
	if len(paths) != 1 {
		h.t.Errorf("worker %d has the files %q", w.serial, paths)
		return
	}
	r, err := mmapstore.Open(paths[0])
	if err != nil {
		h.t.Error(err)
		return
	}
	defer r.Close()
	if n, err := r.Dropped(); err != nil || n != w.last.Stats.Dropped {
		h.t.Errorf("the file of worker %d counts %d dropped series (%v), the worker %d", w.serial, n, err, w.last.Stats.Dropped)
	}
}

// kill ends the worker of a slot at rest, so that all it counted is known. What
// has no place then is lost.
func (h *house) kill(slot int) {
	h.t.Helper()
	w := h.living[slot]
	w.ask(h.t, askRest)
	got := h.readers[0].Scraped(h.t)
	w.Kill()
	h.living[slot] = nil
	h.killed = append(h.killed, w)
	for n := range w.each {
		h.dead[slot][n] = grown(got, slot, n)
	}
}

// archived waits until the files of the dead are gone.
func (h *house) archived() {
	h.t.Helper()
	rig.Await(h.t, patience, func() error {
		living := 0
		for _, w := range h.living {
			if w != nil && w.err == "" {
				living++
			}
		}
		files, _ := filepath.Glob(filepath.Join(h.dir, "worker-*.pfm"))
		if len(files) > living {
			return fmt.Errorf("%d workers live, and there are %q:\n%s", living, files, h.sizes())
		}
		return nil
	})
}

// sizes is who takes how much room.
func (h *house) sizes() string {
	out, err := exec.Command("du", "--all", "--bytes", h.dir).CombinedOutput()
	blocks, err2 := exec.Command("du", "--all", "--block-size=1", h.dir).CombinedOutput()
	return fmt.Sprintf("sizes: %s%v\nroom taken: %s%v", out, err, blocks, err2)
}

// settled waits until every series has a place.
func (h *house) settled() {
	h.t.Helper()
	for _, w := range h.living {
		if w == nil || w.err != "" {
			continue
		}
		rig.Await(h.t, patience, func() error {
			if s := w.ask(h.t, askCount+" 0"); s.Stats.Homeless > 0 {
				return fmt.Errorf("worker %d: %+v", w.serial, s.Stats)
			}
			return nil
		})
	}
}

// What a file system may be full of.
const (
	bytesFull  = "bytes"
	inodesFull = "inodes"
	bothFull   = "bytes and inodes"
)

// fill takes what is left of the file system, in bytes, in inodes or in both, until
// there is none. It returns how to give it back.
func (h *house) fill(what string) (free func()) {
	h.t.Helper()
	var paths []string
	room := true // for another page
	for i := 0; room || what != bytesFull; i++ {
		path := filepath.Join(h.dir, fmt.Sprintf(".filler-%d", i))
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			break // no inode left
		}
		paths = append(paths, path)
		room = room && addPage(f)
		_ = f.Close()
	}
	if what == bothFull && len(paths) > 0 {
		f, err := os.OpenFile(paths[0], os.O_APPEND|os.O_WRONLY, 0)
		must(h.t, err)
		for addPage(f) {
			continue
		}
		_ = f.Close()
	}
	return func() {
		for _, path := range paths {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				h.t.Error(err)
			}
		}
	}
}

func addPage(f *os.File) bool {
	_, err := f.Write(make([]byte, 4096))
	return err == nil
}
