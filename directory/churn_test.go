package directory_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// churn is a directory in which everything happens at once.
type churn struct {
	t         *testing.T
	dir       string
	begun     atomic.Uint64 // increments that may have been made
	returned  atomic.Uint64 // increments that returned
	lifetimes atomic.Int64  // workers still to be born
}

// work lives many short lives.
func (c *churn) work() {
	for c.lifetimes.Add(-1) >= 0 {
		w, err := mmapstore.Create(c.dir, mmapstore.WriterOptions{})
		if err != nil {
			c.t.Error(err)
			return
		}
		family, err := w.AddFamily(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
		if err != nil {
			c.t.Error(err)
			return
		}
		slot, err := w.AddSeries(family, "", time.Now())
		if err != nil {
			c.t.Error(err)
			return
		}
		for range 200 {
			c.begun.Add(1)
			slot.Cells[0].Add(1)
			c.returned.Add(1)
		}
		if err := w.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

// watch scrapes until done, and returns the number of its scrapes.
func (c *churn) watch(d *directory.Directory, done *atomic.Bool) (scrapes int) {
	m := aggregate.NewMerger(nil)
	for last := 0.0; ; scrapes++ {
		over := done.Load()
		least := c.returned.Load()
		v, err := d.Scan(context.Background())
		if err != nil {
			c.t.Error(err)
			return scrapes
		}
		got := c.total(m, v)
		bare := c.total(aggregate.NewMerger(nil), v) // no guard, no memory
		v.Close()
		most := c.begun.Load()
		if got < float64(least) || got > float64(most) || got < last || bare < float64(least) || bare > float64(most) {
			c.t.Errorf("exposed %v (%v without memory) after %v, between %d and %d", got, bare, last, least, most)
			return scrapes
		}
		if last = got; over {
			return scrapes
		}
	}
}

func (c *churn) total(m *aggregate.Merger, v *directory.View) float64 {
	r, err := m.Merge(v.Sources())
	if err != nil {
		c.t.Error(err)
	}
	for _, f := range r.Metrics() {
		return f.Metric[0].Counter.GetValue()
	}
	return 0
}

// Property: while workers are born, count and die, and two archivers commit
// without a pause, every scrape of every observer shows at least what had
// returned before it and at most what had begun after it, and never less than
// the scrape before; and when all is over no descriptor is left.
func TestChurn(t *testing.T) {
	before := openFiles(t)
	c := &churn{t: t, dir: t.TempDir()}
	c.lifetimes.Store(1000)
	if testing.Short() {
		c.lifetimes.Store(300)
	}
	var done atomic.Bool
	var workers, others sync.WaitGroup
	for range 4 {
		workers.Go(c.work)
	}
	var commits, scrapes atomic.Uint64
	for i := range 5 {
		d := directory.New(c.dir, directory.Options{Archiving: i < 2})
		others.Go(func() {
			if i >= 2 {
				scrapes.Add(uint64(c.watch(d, &done)))
				return
			}
			a := archiver.New(d, archiver.Options{})
			for !done.Load() {
				if err := a.Once(context.Background()); err != nil {
					t.Error(err)
				}
			}
			commits.Add(a.Stats().Commits)
		})
		defer func() {
			if d.Close(); i == 0 { // the last
				if now := openFiles(t); now > before {
					t.Errorf("%d descriptors, %d before", now, before)
				}
			}
		}()
	}
	workers.Wait()
	done.Store(true)
	others.Wait()
	archive(t, c.dir, archiver.Options{})
	d := directory.New(c.dir, directory.Options{})
	defer d.Close()
	v := scan(t, d)
	if got := total(t, v); got != float64(c.returned.Load()) || len(v.Files) != 0 {
		t.Errorf("at the end %v, counted %d, %d files", got, c.returned.Load(), len(v.Files))
	}
	v.Close()
	t.Logf("%d increments, %d commits, %d scrapes", c.returned.Load(), commits.Load(), scrapes.Load())
}
