//go:build attack && linux

package attack_test

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/worker"
)

// patience bounds all that a test waits for.
const patience = rig.Patience

// ledger is what counting workers have acknowledged over their pipes: the oracle.
// Its methods may be called by several goroutines, those that take a testing.T by
// the test's own.
type ledger struct {
	mu      sync.Mutex // guards workers
	workers []*counter // by serial, living and dead
}

// counter is a counting worker and what it has said so far.
type counter struct {
	*rig.Process
	serial int
	acked  [writers]atomic.Uint64
	heard  chan struct{} // answers

	mu     sync.Mutex // guards the fields below
	dead   bool
	killed bool // a batch of each goroutine may have been under way
}

// Write hears what the worker says.
func (c *counter) Write(b []byte) (int, error) {
	for _, said := range b {
		if said == answered {
			c.heard <- struct{}{}
		} else {
			c.acked[said].Add(1)
		}
	}
	return len(b), nil
}

// start starts a worker on the directory. what may change how.
func (l *ledger) start(t testing.TB, dir string, what ...func(*rig.Command)) *counter {
	t.Helper()
	c := &counter{heard: make(chan struct{}, 1)}
	l.mu.Lock()
	c.serial = len(l.workers)
	l.workers = append(l.workers, c)
	l.mu.Unlock()
	command := inRole("count", dir, strconv.Itoa(c.serial))
	command.Stdout, command.Stdin = c, true
	for _, change := range what {
		change(&command)
	}
	c.Process = rig.Start(t, fmt.Sprint("worker ", c.serial), command)
	return c
}

func (c *counter) ask(t testing.TB, question byte) {
	t.Helper()
	if _, err := c.Stdin.Write([]byte{question}); err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	select {
	case <-c.heard:
	case <-time.After(patience):
		t.Fatalf("%s does not answer:\n%s", c.Name, c.Out.Tail(20))
	}
}

// pause returns when the worker is at rest and all that it did is acknowledged.
func (c *counter) pause(t testing.TB)  { t.Helper(); c.ask(t, askPause) }
func (c *counter) resume(t testing.TB) { t.Helper(); c.ask(t, askResume) }

// once lets a worker at rest do one batch in its goroutine 0.
func (c *counter) once(t testing.TB) { t.Helper(); c.ask(t, askOnce) }

// total is the batches that were acknowledged.
func (c *counter) total() (n uint64) {
	for g := range c.acked {
		n += c.acked[g].Load()
	}
	return n
}

// counts waits until the worker has acknowledged n batches.
func (c *counter) counts(t testing.TB, n uint64) {
	t.Helper()
	rig.Await(t, patience, func() error {
		if got := c.total(); got < n {
			return fmt.Errorf("%s has counted %d batches:\n%s", c.Name, got, c.Out.Tail(20))
		}
		return nil
	})
}

// kill ends the worker by SIGKILL; all that it acknowledged is known then.
func (c *counter) kill() {
	c.mu.Lock()
	c.killed = true
	c.mu.Unlock()
	c.Kill()
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
}

// stop ends the worker in good order.
func (c *counter) stop(t testing.TB) {
	t.Helper()
	_ = c.Stdin.Close()
	if err := c.Ended(t, patience); err != nil {
		t.Errorf("%s: %v\n%s", c.Name, err, c.Out.Tail(20))
	}
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
}

// state is what became of the worker.
func (c *counter) state() (dead, killed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead, c.killed
}

// all are the workers, by serial.
func (l *ledger) all() []*counter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.workers[:len(l.workers):len(l.workers)]
}

// acknowledged is how many batches of each goroutine number have returned, and how
// many more may have.
func (l *ledger) acknowledged() (acked, uncertain [writers]uint64) {
	for _, w := range l.all() {
		_, killed := w.state()
		for g := range writers {
			acked[g] += w.acked[g].Load()
			if killed {
				uncertain[g]++
			}
		}
	}
	return acked, uncertain
}

// least is the cumulative series that an exposition must show that begins now.
func (l *ledger) least() map[string]float64 {
	acked, _ := l.acknowledged()
	least := make(map[string]float64)
	for g := range writers {
		for series, step := range perBatch(g) {
			least[series] = float64(acked[g]) * step
		}
	}
	return least
}

// check holds an exposition that was taken while all living workers were at rest
// against all that was acknowledged.
func (l *ledger) check(t testing.TB, got rig.Samples) {
	t.Helper()
	acked, uncertain := l.acknowledged()
	for g := range writers {
		for series, step := range perBatch(g) {
			l.within(t, got[series].Value, series, float64(acked[g])*step, float64(acked[g]+uncertain[g])*step)
		}
	}
	l.within(t, got.Sum("attack_churn_total"), "attack_churn_total", float64(acked[0]), float64(acked[0]+uncertain[0]))
	for g := range writers {
		l.checkGauges(t, got, g)
	}
}

func (l *ledger) within(t testing.TB, got float64, what string, least, most float64) {
	t.Helper()
	if !(least <= got && got <= most) {
		t.Errorf("%s is %v, acknowledged %v, at most %v", what, got, least, most)
	}
}

// span is where a gauge may be.
type span struct{ least, most float64 }

func (s *span) widen(least, most float64, by func(x, y float64) float64) {
	s.least, s.most = by(s.least, least), by(s.most, most)
}

// checkGauges holds the gauges of a goroutine number against what the workers set.
func (l *ledger) checkGauges(t testing.TB, got rig.Samples, g int) {
	t.Helper()
	var sum, liveSum span
	top, liveTop := span{}, span{}
	for _, w := range l.all() {
		dead, killed := w.state()
		k := float64(w.acked[g].Load())
		most := k
		if killed {
			most++
		}
		add := func(x, y float64) float64 { return x + y }
		sum.widen(k, most, add)
		top.widen(k, most, math.Max)
		if !dead {
			liveSum.widen(k, most, add)
			liveTop.widen(k, most, math.Max)
		}
		l.checkOwn(t, got, w, g, span{k, most}, dead)
	}
	for mode, want := range map[worker.Mode]span{
		worker.Sum: sum, worker.LiveSum: liveSum, worker.Max: top, worker.LiveMax: liveTop,
		worker.Min: {-top.most, -top.least}, worker.LiveMin: {-liveTop.most, -liveTop.least},
	} {
		series := fmt.Sprintf(`%s{g="%d"}`, gaugeName(mode), g)
		l.within(t, got[series].Value, series, want.least, want.most) // not there is 0, as nobody has set it
	}
	l.checkLatest(t, got, worker.Latest, g, top)
	l.checkLatest(t, got, worker.LiveLatest, g, liveTop)
}

// checkOwn holds the gauges that a worker has for itself. Those of the dead may be
// gone: no more than a number of them are kept.
func (l *ledger) checkOwn(t testing.TB, got rig.Samples, w *counter, g int, want span, dead bool) {
	t.Helper()
	for _, mode := range []worker.Mode{worker.All, worker.LiveAll} {
		series := fmt.Sprintf(`%s{g="%d",pid="w%d"}`, gaugeName(mode), g, w.serial)
		one, there := got[series]
		if there && dead && mode == worker.LiveAll {
			t.Errorf("%s is exposed, and its worker is dead", series)
		}
		if there || !dead && want.least > 0 {
			l.within(t, one.Value, series, want.least, want.most)
		}
	}
}

// checkLatest holds that somebody, of the living where only they count, has set the
// gauge to this.
func (l *ledger) checkLatest(t testing.TB, got rig.Samples, mode worker.Mode, g int, set span) {
	t.Helper()
	series := fmt.Sprintf(`%s{g="%d"}`, gaugeName(mode), g)
	one, there := got[series]
	if !there {
		if set.least > 0 {
			t.Errorf("%s is not exposed", series)
		}
		return
	}
	serial, batch := int(one.Value/serialStep), math.Mod(one.Value, serialStep)
	if serial >= len(l.all()) {
		t.Errorf("%s is %v: there is no worker %d", series, one.Value, serial)
		return
	}
	w := l.all()[serial]
	dead, killed := w.state()
	k := float64(w.acked[g].Load())
	if batch != k && !(killed && batch == k+1) || dead && mode == worker.LiveLatest {
		t.Errorf("%s is batch %v of worker %d, which has acknowledged %v (dead: %v)", series, batch, serial, k, dead)
	}
}
