package archiver

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

var kills = flag.Int("kills", 20, "SIGKILLs of the crash test")

const (
	crashWriters = 5  // goroutines of a worker that count
	crashBatch   = 16 // increments of each kind between two acknowledgements
)

// countAndAcknowledge counts in several goroutines at full speed and says, for
// each batch that returned, one byte: which goroutine it was.
func countAndAcknowledge() {
	w, err := mmapstore.Create(os.Args[1], mmapstore.WriterOptions{})
	check(err)
	var counting sync.WaitGroup
	var stop atomic.Bool
	for g := range crashWriters {
		counting.Go(func() {
			whole := crashSlot(w, mmapstore.Family{Name: "whole_total", Type: mmapstore.Counter}, g)
			fraction := crashSlot(w, mmapstore.Family{Name: "fraction_total", Type: mmapstore.Counter}, g)
			seconds := crashSlot(w, mmapstore.Family{Name: "seconds", Type: mmapstore.Histogram, Bounds: []float64{1}}, g)
			for !stop.Load() {
				for i := range crashBatch {
					whole.Cells[0].Add(1)
					addFloat(&fraction.Cells[1], 0.5)
					seconds.Cells[1+i%2].Add(1)
					addFloat(&seconds.Cells[0], 0.25)
				}
				_, err := os.Stdout.Write([]byte{byte(g)})
				check(err)
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // asked to end
	stop.Store(true)
	counting.Wait()
	check(w.Close())
}

func crashSlot(w *mmapstore.Writer, f mmapstore.Family, g int) mmapstore.Slot {
	labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "g", Value: fmt.Sprint(g)}})
	check(err)
	n, err := w.AddFamily(f)
	check(err)
	s, err := w.AddSeries(n, labels, time.Now())
	check(err)
	return s
}

func addFloat(cell *mmapstore.Word, v float64) {
	for {
		old := cell.Load()
		if cell.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// crashWorker is a worker and what it has acknowledged so far.
type crashWorker struct {
	*child
	acked [crashWriters]atomic.Uint64
	eof   chan struct{}
}

func startCrashWorker(t *testing.T, dir string) *crashWorker {
	w := &crashWorker{child: startChild(t, "count", dir), eof: make(chan struct{})}
	go func() {
		defer close(w.eof)
		for in := bufio.NewReader(w.out); ; {
			g, err := in.ReadByte()
			if err != nil {
				return
			}
			w.acked[g].Add(1)
		}
	}()
	return w
}

// crash is the state of the crash test: the oracle is what came out of pipes.
type crash struct {
	t       *testing.T
	d       *directory.Directory
	mu      sync.Mutex
	ended   [crashWriters]uint64 // batches of the dead, per goroutine
	workers []*crashWorker
}

// acknowledged batches of every goroutine number, by the living and the dead.
func (c *crash) acknowledged() (batches [crashWriters]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batches = c.ended
	for _, w := range c.workers {
		for g := range batches {
			batches[g] += w.acked[g].Load()
		}
	}
	return batches
}

// end takes a worker out of the living: killed, reaped, and its pipe drained to
// the end, so that all it acknowledged is known.
func (c *crash) end(i int, w *crashWorker) {
	<-w.eof
	_ = w.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for g := range c.ended {
		c.ended[g] += w.acked[g].Load()
	}
	w.acked = [crashWriters]atomic.Uint64{}
	c.workers[i] = w
}

// scrape is what m makes of the directory now, by the names of crashSeries.
func (c *crash) scrape(m *aggregate.Merger) (got [crashWriters]map[string]float64) {
	v, err := c.d.Scan(c.t.Context())
	must(c.t, err)
	defer v.Close()
	r, err := m.Merge(v.Sources())
	must(c.t, err)
	for g := range got {
		got[g] = map[string]float64{}
	}
	for _, f := range r.Families {
		for _, metric := range f.Metric {
			into := got[metric.Label[0].GetValue()[0]-'0']
			if h := metric.Histogram; h != nil {
				into["seconds_count"], into["seconds_le"] = float64(h.GetSampleCount()), float64(h.Bucket[0].GetCumulativeCount())
				into["seconds_sum"] = h.GetSampleSum()
				continue
			}
			into[f.GetName()] = metric.Counter.GetValue()
		}
	}
	return got
}

// perBatch is by how much a batch moves a series.
var perBatch = map[string]float64{
	"whole_total": crashBatch, "fraction_total": crashBatch * 0.5,
	"seconds_count": crashBatch, "seconds_le": crashBatch / 2, "seconds_sum": crashBatch * 0.25,
}

// watch scrapes until done is closed.
func (c *crash) watch(done chan struct{}) (scrapes int) {
	m := aggregate.NewMerger(nil)
	var last [crashWriters]map[string]float64
	for ; ; scrapes++ {
		least := c.acknowledged()
		got := c.scrape(m)
		for g, batches := range least {
			for name, step := range perBatch {
				if v := got[g][name]; v < float64(batches)*step || v < last[g][name] {
					c.t.Errorf("%s of %d is %v, after %v; acknowledged %v", name, g, v, last[g][name], float64(batches)*step)
				}
			}
		}
		last = got
		select {
		case <-done:
			return scrapes
		default:
		}
	}
}

// Property: whatever a worker acknowledged before SIGKILL is exposed from then
// on, in every scrape, of every series, while an archiver folds the dead; no
// series goes down; and at the end no more is exposed than was acknowledged and,
// per worker that ended and goroutine in it, the batch that was under way.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		if shm, err := os.MkdirTemp("/dev/shm", "promfold-crash-"); err == nil {
			dir = shm
			t.Cleanup(func() { _ = os.RemoveAll(shm) })
		}
	}
	a, stop := running(t, dir)
	c := &crash{t: t, d: directory.New(dir, directory.Options{})}
	defer c.d.Close()
	for range 3 {
		c.workers = append(c.workers, startCrashWorker(t, dir))
	}
	done, watched := make(chan struct{}), make(chan int)
	go func() { watched <- c.watch(done) }()
	rng := rand.New(rand.NewPCG(11, 12))
	for range *kills {
		i := rng.IntN(len(c.workers))
		w := c.workers[i]
		more := w.acked[0].Load() + 1 + rng.Uint64N(200)
		eventually(t, "counting", func() bool { return w.acked[0].Load() >= more })
		_ = w.cmd.Process.Kill()
		c.replace(i, w, dir)
	}
	for i, w := range c.workers { // some end in good order
		_ = w.in.Close()
		c.end(i, w)
	}
	eventually(t, "archived", func() bool { return allArchived(t, dir) })
	close(done)
	scrapes := <-watched
	stop()
	c.balance(a.Stats(), scrapes)
}

func (c *crash) replace(i int, w *crashWorker, dir string) {
	c.end(i, w)
	next := startCrashWorker(c.t, dir)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.workers[i] = next
}

// balance closes the books.
func (c *crash) balance(stats Stats, scrapes int) {
	ended := uint64(*kills + len(c.workers))
	if stats.Absorbed != ended {
		c.t.Errorf("absorbed %d of %d", stats.Absorbed, ended)
	}
	acked := c.acknowledged()
	got := c.scrape(aggregate.NewMerger(nil))
	var total uint64
	for g, batches := range acked {
		total += batches * crashBatch
		for name, step := range perBatch {
			least, most := float64(batches)*step, float64(batches+ended)*step
			if v := got[g][name]; v < least || v > most {
				c.t.Errorf("%s of %d: exposed %v, acknowledged %v, bound %v", name, g, v, least, most)
			}
		}
	}
	c.t.Logf("%d kills, %d acknowledged of each kind, %d commits, %d scrapes", *kills, total, stats.Commits, scrapes)
}
