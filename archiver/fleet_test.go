package archiver

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// A fleet is what archivers are attacked amid: worker processes that count all the
// time, in files of native or stock clients, and reader processes that scrape all
// the time. The ledger is what the workers were asked to count and what they
// acknowledged, over pipes; it knows no files.
type fleet struct {
	t     testing.TB
	dir   string
	kinds []string

	asked, acked atomic.Int64 // units
	scrapes      atomic.Int64
	pids         atomic.Int64
	quiet        sync.RWMutex // held shared while a worker counts

	mu      sync.Mutex
	workers []*tallyWorker
	readers []*scraper
}

const (
	native = "native"
	stock  = "stock"
)

// perUnit is by how much a unit moves each cumulative sample, in whichever kind of
// file.
var perUnit = map[string]float64{
	"c_total": 1, "f_total": 0.5, "h_count": 1, "h_sum": 0.25, "h_bucket,1": 1, "h_bucket,5": 1,
}

// newFleet starts a worker of each kind and the readers. The test must end it, or
// children are killed that others wait for.
func newFleet(t testing.TB, dir string, readers int, kinds ...string) *fleet {
	f := &fleet{t: t, dir: dir, kinds: kinds}
	f.hire()
	for range readers {
		f.read("scrape", dir)
	}
	return f
}

// hire starts a worker of each kind.
func (f *fleet) hire() {
	for _, kind := range f.kinds {
		f.hireOne(kind)
	}
}

func (f *fleet) hireOne(kind string) *tallyWorker {
	w := &tallyWorker{f: f, kind: kind, stop: make(chan struct{}), done: make(chan struct{})}
	w.child = startChild(f.t, "tally", f.dir, kind, noPID(int(f.pids.Add(1))))
	if line, err := w.out.ReadString('\n'); line != "born\n" {
		f.t.Fatalf("worker: %q, %v", line, err)
	}
	go w.drive()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers = append(f.workers, w)
	return w
}

// tallyWorker is a worker process and the goroutine that asks it to count.
type tallyWorker struct {
	*child
	f          *fleet
	kind       string
	once       sync.Once
	stop, done chan struct{}
}

func (w *tallyWorker) drive() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		default:
			if err := w.count(1 + rand.Int64N(20)); err != nil {
				w.f.t.Errorf("worker: %v", err)
				return
			}
		}
		time.Sleep(time.Millisecond) // leaves the processors to those under test
	}
}

func (w *tallyWorker) count(n int64) error {
	w.f.quiet.RLock()
	defer w.f.quiet.RUnlock()
	w.f.asked.Add(n)
	if _, err := fmt.Fprintln(w.in, n); err != nil {
		return err
	}
	if line, err := w.out.ReadString('\n'); err != nil || line != "ok\n" {
		return fmt.Errorf("answer %q: %w", line, err)
	}
	w.f.acked.Add(n)
	return nil
}

// die kills the worker between two requests, so that what it counted is known.
func (w *tallyWorker) die() {
	w.once.Do(func() { close(w.stop) })
	<-w.done
	w.kill()
}

// bury kills the oldest worker of each kind.
func (f *fleet) bury() {
	for _, kind := range f.kinds {
		f.mu.Lock()
		i := slices.IndexFunc(f.workers, func(w *tallyWorker) bool { return w.kind == kind })
		w := f.workers[i]
		f.workers = slices.Delete(f.workers, i, i+1)
		f.mu.Unlock()
		w.die()
	}
}

// buryAll kills all workers.
func (f *fleet) buryAll() {
	f.mu.Lock()
	workers := f.workers
	f.workers = nil
	f.mu.Unlock()
	for _, w := range workers {
		w.die()
	}
}

func (f *fleet) end() {
	f.buryAll()
	for _, r := range f.readers {
		r.end()
	}
}

// scraper is a reader process and the goroutine that asks it to scrape.
type scraper struct {
	*child
	f          *fleet
	once       sync.Once
	stop, done chan struct{}

	mu   sync.Mutex // guards the pipe and what follows
	last map[string]float64
	// free: what was acknowledged is not all to be seen, for the moment.
	free bool
}

// read starts a reader in the role.
func (f *fleet) read(role string, args ...string) *scraper {
	r := &scraper{child: startChild(f.t, role, args...), f: f, stop: make(chan struct{}), done: make(chan struct{})}
	f.readers = append(f.readers, r)
	go func() {
		defer close(r.done)
		for {
			select {
			case <-r.stop:
				return
			default:
				if r.look() == nil {
					return
				}
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return r
}

func (r *scraper) end() {
	r.once.Do(func() { close(r.stop) })
	<-r.done
	r.kill()
}

// look scrapes, and holds the result to the ledger: no less than what was
// acknowledged before, no more than what was asked for until after, and nothing
// below what the reader exposed before.
func (r *scraper) look() map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	least, began := r.f.acked.Load(), time.Now()
	if _, err := fmt.Fprintln(r.in, "scrape"); err != nil {
		r.f.t.Errorf("reader: %v", err)
		return nil
	}
	line, err := r.out.ReadBytes('\n')
	most := r.f.asked.Load()
	var got map[string]float64
	if err == nil {
		err = json.Unmarshal(line, &got)
	}
	if err != nil {
		r.f.t.Errorf("reader: %q, %v", line, err)
		return nil
	}
	for name, step := range perUnit {
		v := got[name]
		if low := float64(least) * step; v < low && !r.free {
			r.f.t.Errorf("%s is %v, %v were acknowledged when the scrape began, %v ago", name, v, low, time.Since(began))
		}
		if high := float64(most) * step; v > high {
			r.f.t.Errorf("%s is %v, no more than %v were asked for", name, v, high)
		}
		if v < r.last[name] {
			r.f.t.Errorf("%s fell from %v to %v", name, r.last[name], v)
		}
	}
	r.last = got
	r.f.scrapes.Add(1)
	return got
}

// exact stops the counting for a moment, and holds all readers to the very count.
func (f *fleet) exact(when string) {
	f.t.Helper()
	f.quiet.Lock()
	defer f.quiet.Unlock()
	f.equal(when, "a new reader", scrapeOnce(f.t, f.dir))
	for i, r := range f.readers {
		f.equal(when, fmt.Sprint("reader ", i), r.look())
	}
}

func (f *fleet) equal(when, who string, got map[string]float64) {
	f.t.Helper()
	if asked, acked := f.asked.Load(), f.acked.Load(); asked != acked {
		f.t.Fatalf("%s: %d asked, %d acknowledged", when, asked, acked)
	}
	for name, step := range perUnit {
		if want := float64(f.acked.Load()) * step; got[name] != want {
			f.t.Fatalf("%s: %s has %v of %s, %v were counted", when, who, got[name], name, want)
		}
	}
}

// settled waits until the dead are archived and their files gone.
func (f *fleet) settled(when string) {
	f.t.Helper()
	defer func() {
		if f.t.Failed() {
			f.t.Logf("%s: %q", when, names(f.t, f.dir))
		}
	}()
	eventually(f.t, when+": archived", func() bool {
		alive := 0
		for _, name := range names(f.t, f.dir) {
			base := filepath.Base(name)
			if strings.HasPrefix(base, "dead-") {
				return false
			}
			if directory.IsFileName(base) {
				alive++
			}
		}
		return alive == f.files()
	})
}

// files is how many the living have.
func (f *fleet) files() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		n += map[string]int{native: 1, stock: 3}[w.kind]
	}
	return n
}

func scrapeOnce(t testing.TB, dir string) map[string]float64 {
	t.Helper()
	d := directory.New(dir, directory.Options{})
	defer d.Close()
	got, err := flatScrape(d, aggregate.NewMerger(nil))
	must(t, err)
	return got
}

func flatScrape(d *directory.Directory, m *aggregate.Merger) (map[string]float64, error) {
	v, err := d.Scan(bg)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	r, _ := m.Merge(v.Sources()) // what a single file costs, the values show
	got := make(map[string]float64)
	for _, family := range r.Metrics() {
		for _, metric := range family.Metric {
			flatten(family, metric, got)
		}
	}
	for name, v := range got {
		if math.IsInf(v, 0) || math.IsNaN(v) || strings.Contains(name, "Inf") {
			delete(got, name) // which JSON cannot say
		}
	}
	return got, nil
}

// shm is a directory in memory, where these directories lie.
func shm(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "promfold-archiver-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}
