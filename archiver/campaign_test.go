package archiver

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

var cycles = flag.Int("cycles", 1, "how often the archiver is killed at every step, in each kind of directory")

// archiveUntil archives and kills itself when it comes to the step for the nth time.
// If the step is torn, it has written no more than the beginning of the archive
// by then.
func archiveUntil() {
	syscall.Umask(0o077)
	dir, step := os.Args[1], os.Args[2]
	nth, err := strconv.Atoi(os.Args[3])
	check(err)
	torn := step == stepTorn
	if torn {
		step = string(StepWritten)
	}
	a := New(directory.New(dir, directory.Options{Archiving: true}), Options{Interval: 10 * time.Millisecond, step: func(s Step) {
		if string(s) != step {
			return
		}
		if nth--; nth > 0 {
			return
		}
		if torn {
			tear(filepath.Join(dir, directory.HiddenName, directory.SpareName))
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}})
	go func() {
		for !a.Stats().Active {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("active")
	}()
	ctx, cancel := context.WithCancel(bg)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test is gone, whatever became of it
		cancel()
	}()
	check(a.Run(ctx))
}

// stepTorn is a kill in the middle of the one write.
const stepTorn = string(StepWritten) + ", torn"

func tear(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(err)
	st, err := f.Stat()
	check(err)
	_, err = f.WriteAt(make([]byte, st.Size()-100), 100)
	check(err)
}

// never is a step that no archiver comes to.
const never = "never"

// attack is one form of the campaign.
type attack struct {
	*fleet
	kills atomic.Int64
	round int
}

// stockSteps are those that only files of stock clients lead to, and foundSteps
// those of a directory that is new.
var (
	stockSteps = []Step{StepMourned, StepSetAside, StepProbed, StepDiscarded}
	foundSteps = []Step{StepDirMade, StepDirOpened, StepDirNamed}
)

func (c *attack) reachable(step Step, first bool) bool {
	return (first || !slices.Contains(foundSteps, step)) &&
		(slices.Contains(c.kinds, stock) || !slices.Contains(stockSteps, step))
}

// provoke brings about what leads an archiver to the step, apart from deaths.
func (c *attack) provoke(step Step) {
	hidden := filepath.Join(c.dir, directory.HiddenName)
	switch step {
	case StepDirMade, StepDirOpened, StepDirNamed:
		must(c.t, os.RemoveAll(hidden)) // nobody came any further
		must(c.t, os.RemoveAll(hidden+unnamedSuffix))
	case StepSpareMade, StepSpareOpened, StepRoomMade:
		_ = os.Remove(filepath.Join(hidden, directory.SpareName))
	case StepDamagedAside:
		c.damaged()
	case StepDamagedPruned:
		must(c.t, os.MkdirAll(hidden, 0o777))
		for n := range maxDamaged {
			must(c.t, os.WriteFile(filepath.Join(hidden, fmt.Sprint(directory.DamagedPrefix, n)), nil, 0o600))
		}
		c.damaged()
	case StepLeftover:
		c.killed(c.archiver(string(StepRenamed), 1), StepRenamed)
		c.kills.Add(1)
	case StepSwept:
		c.round++
		path := filepath.Join(c.dir, fmt.Sprintf(".worker-1-%d.tmp", c.round))
		must(c.t, os.WriteFile(path, nil, 0o600))
		old := time.Now().Add(-2 * unbornAge)
		must(c.t, os.Chtimes(path, old, old))
	default:
	}
}

// damaged is the file of a process that is dead, and of which somebody has
// overwritten the last record. It counts in a family of its own. It is made beside
// the directory: an archiver at work would take it whole, before the damage is done.
func (c *attack) damaged() {
	elsewhere, err := os.MkdirTemp(filepath.Dir(c.dir), "damaged-")
	must(c.t, err)
	defer os.RemoveAll(elsewhere)
	w, err := mmapstore.Create(elsewhere, mmapstore.WriterOptions{})
	must(c.t, err)
	_, err = w.AddFamily(mmapstore.Family{Name: "junk_total", Type: mmapstore.Counter})
	must(c.t, err)
	must(c.t, w.Close())
	f, err := os.OpenFile(w.Path(), os.O_RDWR, 0)
	must(c.t, err)
	defer f.Close()
	b := make([]byte, mmapstore.ChunkSize)
	n, err := f.ReadAt(b, 0)
	must(c.t, err)
	for i := n - 1; i > 0; i-- { // the last byte that was written lies in the record
		if b[i] != 0 {
			_, err = f.WriteAt([]byte{^b[i]}, int64(i))
			must(c.t, err)
			must(c.t, os.Rename(w.Path(), filepath.Join(c.dir, filepath.Base(w.Path()))))
			return
		}
	}
}

func (c *attack) archiver(step string, nth int) *child {
	return startChild(c.t, "archive", c.dir, step, strconv.Itoa(nth))
}

// killed waits until the archiver has come to its step.
func (c *attack) killed(a *child, step Step) {
	c.t.Helper()
	var late atomic.Bool
	timer := time.AfterFunc(30*time.Second, func() {
		late.Store(true)
		_ = a.cmd.Process.Kill()
	})
	defer timer.Stop()
	if !a.wait(c.t) || late.Load() {
		c.t.Fatalf("%q: never reached", step)
	}
}

// cycle kills archivers one after the other at the step, and lets the next go on:
// one that stood by, or one that is started after.
func (c *attack) cycle(step string, kills int, standby bool) {
	c.t.Helper()
	at := Step(step)
	// These take a moment without an archiver to bring about.
	standby = standby && at != StepLeftover && !slices.Contains(foundSteps, at)
	if step == stepTorn {
		at = StepWritten
	}
	next := func(n int) *child {
		if n == kills {
			return c.archiver(never, 1)
		}
		return c.archiver(step, 1)
	}
	var a *child
	for n := range kills {
		c.hire()
		c.bury()
		c.provoke(at)
		if a == nil {
			a = next(n)
		}
		var b *child
		if standby {
			_, _ = a.out.ReadString('\n') // it has the directory, or had it and is dead
			b = next(n + 1)
		}
		c.killed(a, at)
		c.kills.Add(1)
		c.exact(fmt.Sprintf("%s, kill %d", step, n+1))
		a = b
	}
	if a == nil {
		a = next(kills)
	}
	c.hire()
	c.bury()
	c.settled(step)
	c.exact(step + ", recovered")
	a.kill()
	c.kills.Add(1)
	c.exact(step + ", and that one killed as well")
}

// Property: an archiver that is killed at any step, once or twice in a row, with a
// standby that takes over or one that is started after, leaves a directory that
// exposes exactly what was counted, to readers that have followed it all and to
// new ones. Beside it two readers never see a cumulative series go down, nor less
// than what was acknowledged, nor more than what was asked for; and the next
// archiver finishes. Every step is come to.
func TestKillCampaign(t *testing.T) {
	for _, kinds := range [][]string{{native}, {stock}, {native, stock}} {
		t.Run(fmt.Sprint(kinds), func(t *testing.T) {
			t.Parallel()
			killCampaign(t, kinds)
		})
	}
}

func killCampaign(t *testing.T, kinds []string) {
	if testing.Short() && len(kinds) < 2 {
		t.Skip("the mixed directory is enough for now")
	}
	c := &attack{fleet: newFleet(t, shm(t), 2, kinds...)}
	defer c.end()
	for cycle := range *cycles {
		for i, step := range campaignSteps() {
			if !c.reachable(Step(step), false) {
				continue
			}
			kills := 1 + (i+cycle)%2
			if *cycles == 1 && len(kinds) == 2 {
				kills = 2
			}
			c.cycle(step, kills, (i/2+cycle/2)%2 == 0)
		}
	}
	t.Logf("%v: %d kills, %d counted, %d scrapes", kinds, c.kills.Load(), c.acked.Load(), c.scrapes.Load())
}

// campaignSteps are all, and the middle of the write.
func campaignSteps() (steps []string) {
	for _, s := range Steps {
		steps = append(steps, string(s))
		if s == StepWritten {
			steps = append(steps, stepTorn)
		}
	}
	return steps
}

// Property: the same in a directory that is new, where the first archiver is
// killed before it has made its own directory, or while it does.
func TestKillCampaignAtFirstCommit(t *testing.T) {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var kills, counted, scrapes atomic.Int64
	t.Run("steps", func(t *testing.T) {
		for cycle := range *cycles {
			for i, step := range campaignSteps() {
				if testing.Short() && !slices.Contains(foundSteps, Step(step)) && i%4 != 0 {
					continue
				}
				t.Run(fmt.Sprint(step, "/", cycle), func(t *testing.T) {
					t.Parallel()
					slots <- struct{}{}
					defer func() { <-slots }()
					c := &attack{fleet: newFleet(t, shm(t), 2, native, stock)}
					defer c.end()
					c.cycle(step, 1+(i+cycle)%2, (i/2+cycle)%2 == 0)
					kills.Add(c.kills.Load())
					counted.Add(c.acked.Load())
					scrapes.Add(c.scrapes.Load())
				})
			}
		}
	})
	t.Logf("%d kills, %d counted, %d scrapes", kills.Load(), counted.Load(), scrapes.Load())
}
