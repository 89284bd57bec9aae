//go:build interop && linux

package interop_test

import (
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
)

// watch scrapes a sidecar all the time and counts the files of the directory.
//
// Properties: what is cumulative never goes down and never leaves, across kills of
// the sidecar too; a scrape fails only where the sidecar was killed; no file is
// unreadable; what was acknowledged when a scrape began is in it, and nothing is
// that had not been asked for when it ended.
type watch struct {
	dir     string
	sidecar *rig.Sidecar
	tally   tally
	quit    chan struct{}
	done    chan struct{}
	faults  rig.Faults

	// The rest belongs to the watching goroutine until done is closed.
	last rig.Monotone

	scrapes, cut     int // good ones; those that a kill cut off
	listed, aside    int // most files at once
	slowest, elapsed time.Duration
}

// tally says what an application has done. Nil functions say nothing.
type tally struct {
	series       string // the counter; labels are summed over
	acknowledged func() float64
	asked        func() float64
}

func startWatch(t *testing.T, dir string, s *rig.Sidecar, y tally) *watch {
	w := &watch{dir: dir, sidecar: s, tally: y, quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	t.Cleanup(func() {
		select {
		case <-w.quit:
		default: // the test has failed before it could stop us
			w.stop(t)
		}
	})
	return w
}

const scrapeEvery = 40 * time.Millisecond

func (w *watch) run() {
	defer close(w.done)
	began := time.Now()
	defer func() { w.elapsed = time.Since(began) }()
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	for {
		listed, aside := stockFiles(w.dir)
		w.listed, w.aside = max(w.listed, listed), max(w.aside, aside)
		w.look()
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
	}
}

func (w *watch) look() {
	kills := w.sidecar.Kills.Load()
	if kills%2 == 1 {
		return // down
	}
	var atLeast float64
	if w.tally.acknowledged != nil {
		atLeast = w.tally.acknowledged()
	}
	began := time.Now()
	got, err := w.sidecar.Scrape()
	if err != nil {
		if w.sidecar.Kills.Load() == kills {
			w.faults.Add("scrape %d: %v", w.scrapes, err)
		}
		w.cut++
		return
	}
	w.scrapes++
	w.slowest = max(w.slowest, time.Since(began))
	if total := got.Sum(w.tally.series); w.tally.acknowledged != nil && total < atLeast {
		w.faults.Add("scrape %d: %s is %v, and %v were acknowledged before it", w.scrapes, w.tally.series, total, atLeast)
	} else if w.tally.asked != nil && total > w.tally.asked() {
		w.faults.Add("scrape %d: %s is %v, and only %v were asked for", w.scrapes, w.tally.series, total, w.tally.asked())
	}
	if n := got.Sum("promfold_file_errors"); n > 0 {
		w.faults.Add("scrape %d: bad files: %v", w.scrapes, got.By("promfold_file_errors", "reason"))
	}
	for _, fault := range w.last.Check(got.App()) {
		w.faults.Add("scrape %d: %s", w.scrapes, fault)
	}
}

// stop ends the watch and reports what it saw.
func (w *watch) stop(t *testing.T) {
	t.Helper()
	close(w.quit)
	<-w.done
	w.faults.Report(t)
	if w.scrapes == 0 {
		t.Error("no scrape was answered")
	}
	t.Logf("%d scrapes in %.1f s, %d cut off by kills, slowest %v; at most %d files in the directory and %d set aside",
		w.scrapes, w.elapsed.Seconds(), w.cut, w.slowest.Round(time.Millisecond), w.listed, w.aside)
}

// fewFiles holds the number of files.
func (w *watch) fewFiles(t *testing.T) {
	t.Helper()
	if w.listed >= 100 {
		t.Errorf("%d files in the directory at once", w.listed)
	}
}
