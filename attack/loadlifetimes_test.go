//go:build attack && linux

package attack_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/exporter"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/worker"
)

var loadLifetimes = flag.Int("load-lifetimes", 3000, "how many processes live and die beside those that stay")

func init() {
	roles["load-lives"] = liveAndDie
	roles["load-forgetful"] = serveForgetful
}

const (
	livesAtOnce = 50  // of one real process
	livesOfOne  = 500 // before that is killed
	pidsInUse   = 4096
	bytesPerID  = 48 // of an archive: see docs/archive.md
)

// liveAndDie is the lifetimes from the first up to the last: half of them native,
// half a stock client's, of which pids come again. Half of them end in good order,
// the others all at once by SIGKILL.
func liveAndDie() error {
	dir := os.Args[1]
	first, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	alive := make([]func() error, livesAtOnce)
	for n := range livesOfOne {
		live := liveNative
		if n%2 == 1 {
			live = liveStock
		}
		end, err := live(dir, first+n)
		if err != nil {
			return err
		}
		at := rand.IntN(livesAtOnce)
		if old := alive[at]; old != nil {
			if err := old(); err != nil {
				return err
			}
		}
		alive[at] = end
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// liveNative counts once, and sets gauges of modes that are archived in
// different ways.
func liveNative(dir string, n int) (end func() error, err error) {
	store, err := worker.New(dir, worker.WithIdentity(strconv.Itoa(simulatedPID+n%pidsInUse)))
	if err != nil {
		return nil, err
	}
	f := worker.With(store)
	f.NewCounterVec(prometheus.CounterOpts{Name: "load_lives_total", Help: "Lives."}, []string{"kind"}).WithLabelValues("native").Inc()
	f.NewHistogram(prometheus.HistogramOpts{Name: "load_life_seconds", Help: "Halves.", Buckets: []float64{1}}).Observe(0.5)
	for _, mode := range []worker.Mode{worker.All, worker.LiveSum, worker.Latest, worker.Max} {
		f.WithMode(mode).NewGauge(prometheus.GaugeOpts{Name: "load_" + mode.String(), Help: "A number."}).Set(float64(n))
	}
	return store.Close, nil
}

// liveStock is the files of one process of client_python, which takes up those of
// an earlier one if it finds some.
func liveStock(dir string, n int) (end func() error, err error) {
	pid := strconv.Itoa(simulatedPID + n%pidsInUse)
	counters, err := stocktest.Open(filepath.Join(dir, "counter_"+pid+".db"))
	if err != nil {
		return nil, err
	}
	gauges, err := stocktest.Open(filepath.Join(dir, "gauge_livesum_"+pid+".db"))
	if err != nil {
		return nil, err
	}
	if err := counters.Add(stocktest.Key("load_lives", "load_lives_total", "Lives.", "kind=stock"), 1); err != nil {
		return nil, err
	}
	if err := gauges.Set(stocktest.Key("load_busy", "load_busy", "Busy."), 1, 0); err != nil {
		return nil, err
	}
	return func() error { return errors.Join(counters.Close(), gauges.Close()) }, nil
}

// serveForgetful is promfold serve with a list of absorbed ids that is short, so
// that a test of minutes sees what hours come to.
func serveForgetful() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	d := directory.New(os.Args[1], directory.Options{Archiving: true})
	defer d.Close()
	a := archiver.New(d, archiver.Options{
		Interval: 100 * time.Millisecond, Logger: log, Fold: aggregate.FoldOptions{KeepIDs: time.Second},
	})
	e := exporter.New(exporter.Options{
		Members: []exporter.Member{{Directory: d, Archiver: a}}, ProcessMetrics: true, Logger: log,
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var archiving sync.WaitGroup
	archiving.Go(func() { _ = a.Run(context.Background()) }) // until the process is killed
	defer archiving.Wait()
	log.Info("Listening on", "address", listener.Addr())
	return (&http.Server{Handler: e, ReadHeaderTimeout: time.Minute}).Serve(listener)
}

// reading is what lifetimes have cost at one moment.
type reading struct {
	holding
	lives   int
	entries int   // of the directory and of promfold's in it
	size    int64 // of the directory itself
	archive int64 // bytes of the file
	ids     int   // that it lists
	rest    int   // bytes of what it says beside
	scrape  time.Duration
}

func (r reading) String() string {
	return fmt.Sprintf("after %d lives: %d entries, directory of %d bytes, archive of %d KiB with %d ids and %d bytes beside, scrape %v, %v",
		r.lives, r.entries, r.size, r.archive>>10, r.ids, r.rest, r.scrape.Round(100*time.Microsecond), r.holding)
}

func read(t *testing.T, s *rig.Sidecar, dir string, lives int) reading {
	t.Helper()
	r := reading{lives: lives}
	began := time.Now()
	s.Scraped(t)
	r.scrape = time.Since(began)
	r.holding = held(t, s, dir)
	for _, d := range []string{dir, filepath.Join(dir, directory.HiddenName)} {
		entries, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		r.entries += len(entries)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.size = info.Size()
	path := filepath.Join(dir, directory.HiddenName, directory.ArchiveName)
	archive, err := directory.ReadArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(path); err != nil {
		t.Fatal(err)
	}
	r.archive, r.ids = info.Size(), len(archive.Absorbed)
	r.rest = len(archive.Encode()) - bytesPerID*r.ids
	return r
}

// Property: a hundred thousand lives leave nothing behind but their counts, and the
// ids of the last of them, 8,192 at most: no entry, no descriptor, no goroutine, no
// mapped file. The directory, the archive and memory do not grow but by what those
// ids take, and a slack. In the second case ids are listed for a second, and
// those of four waves at most are there.
func TestLoadLifetimes(t *testing.T) {
	t.Run("serve", func(t *testing.T) {
		dir := rig.NewDirectory(t, rig.User{}, 0o755)
		const kept = 1 << 13
		liveThrough(t, rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=100ms"), dir, kept+livesOfOne)
	})
	t.Run("ids for a second", func(t *testing.T) {
		dir := rig.NewDirectory(t, rig.User{}, 0o755)
		liveThrough(t, rig.StartAs(t, inRole("load-forgetful", dir)), dir, 4*livesOfOne)
	})
}

// liveThrough holds that no more than so many ids stay listed.
func liveThrough(t *testing.T, s *rig.Sidecar, dir string, ids int) {
	c := startCrowd(t, dir, 10, 20, 0)
	c.count(t)
	var readings []reading
	const warmUp = 4 * livesOfOne // until the gauges of a thousand dead are kept
	for lives := 0; lives < *loadLifetimes; {
		p := rig.Start(t, "lives", inRole("load-lives", dir, strconv.Itoa(lives)))
		_ = p.Ended(t, 10*patience) // killed
		if out := p.Out.String(); out != "" {
			t.Fatal(out)
		}
		lives += livesOfOne
		c.count(t)
		awaitOnlyLive(t, s, c.size)
		got := s.Scraped(t)
		c.check(t, got)
		for _, kind := range []string{"native", "stock"} {
			if n := got.Sum("load_lives_total", "kind", kind); n != float64(lives/2) {
				t.Fatalf("%v %s lives counted, of %d", n, kind, lives/2)
			}
		}
		if n := got.Sum("load_life_seconds_count"); n != float64(lives/2) {
			t.Fatalf("%v lives of %d in the histogram", n, lives/2)
		}
		if lives >= warmUp {
			r := read(t, s, dir, lives)
			if r.ids > ids {
				t.Errorf("%d ids are listed after %d lives", r.ids, lives)
			}
			readings = append(readings, r)
		}
	}
	compareEnds(t, readings)
	mayNotComplain(t, s.Stop(t))
}

// awaitOnlyLive waits until the dead are archived, and their files gone.
func awaitOnlyLive(t *testing.T, s *rig.Sidecar, live int) {
	t.Helper()
	rig.Await(t, 2*patience, func() error {
		got, err := s.Scrape()
		if err != nil {
			return err
		}
		if n := int(got.Sum("promfold_processes")); n != live {
			return fmt.Errorf("%d processes have files, of %d that live", n, live)
		}
		return nil
	})
}

// compareEnds holds the last tenth of the readings against the first.
func compareEnds(t *testing.T, readings []reading) {
	t.Helper()
	tenth := max(len(readings)/10, 1)
	first, last := readings[:tenth], readings[len(readings)-tenth:]
	a, b := median(first), median(last)
	t.Logf("first: %v", a)
	t.Logf("last: %v", b)
	if err := b.notAbove(a.holding); err != nil {
		t.Error(err)
	}
	if b.entries > a.entries+2 {
		t.Errorf("%d entries at the end, %d at the start", b.entries, a.entries)
	}
	if b.size > a.size+slackDirectory {
		t.Errorf("the directory itself has %d bytes at the end, %d at the start", b.size, a.size)
	}
	if b.rest > a.rest+256 {
		t.Errorf("the archive says %d bytes beside ids at the end, %d at the start", b.rest, a.rest)
	}
	// The file keeps what it was ever large enough for, and half as much again. Ids
	// of two waves may have come and gone.
	content := b.rest + bytesPerID*(b.ids+2*livesOfOne)
	if most := int64(content)*3/2 + 32<<10; b.archive > most {
		t.Errorf("the archive has %d bytes for %d of content", b.archive, content)
	}
	if most := a.RSS + idMemory*(b.ids-a.ids)/1024 + 48<<10; b.RSS > most {
		t.Errorf("%d KiB of memory at the end, %d at the start", b.RSS, a.RSS)
	}
}

// slackDirectory is a block, for file systems whose directories grow by blocks.
const slackDirectory = 4 << 10

// idMemory is what a listed id may cost in memory: 48 bytes in the archive that is
// known, the next one, what is encoded of it and read again, entries of two maps;
// all that twice, as the collector has it.
const idMemory = 1024

// median is of each number by itself.
func median(of []reading) reading {
	mid := func(number func(reading) int) int {
		var all []int
		for _, r := range of {
			all = append(all, number(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	m := of[len(of)/2]
	m.entries = mid(func(r reading) int { return r.entries })
	m.size = int64(mid(func(r reading) int { return int(r.size) }))
	m.RSS = mid(func(r reading) int { return r.RSS })
	m.Goroutines = mid(func(r reading) int { return r.Goroutines })
	m.Descriptors = mid(func(r reading) int { return r.Descriptors })
	m.scrape = time.Duration(mid(func(r reading) int { return int(r.scrape) }))
	return m
}
