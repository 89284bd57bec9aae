//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/rig"
)

var soakTime = flag.Duration("soak", 15*time.Second, "how long all attacks go on at once")

// soak is all attacks at low intensity: one thing happens at a time, and clients
// and workers go on all the while.
type soak struct {
	t      *testing.T
	rng    *rand.Rand
	dir    string
	config string

	mortal *rig.Sidecar // is killed
	heir   *rig.Sidecar // archives while the other is down, and lives on
	reader *rig.Sidecar // never archives, and lives on

	ledger  *ledger
	living  []*counter
	stock   stockClients
	garbage garbage

	deaths, ends, kills, reloads, lives, events int
}

func newSoak(t *testing.T) *soak {
	dir := rig.NewDirectory(t, rig.User{}, 0o755)
	s := &soak{t: t, rng: rand.New(rand.NewPCG(1, 8)), dir: dir, ledger: &ledger{}}
	s.garbage = garbage{dir: dir, rng: rand.New(rand.NewPCG(2, 8))}
	s.config = filepath.Join(t.TempDir(), "metrics.yml")
	if err := writeConfig(s.config, 0); err != nil {
		t.Fatal(err)
	}
	common := []string{"--archive.interval=500ms", "--metrics.config=" + s.config}
	s.mortal = rig.StartSidecar(t, promfold(), rig.Seat{}, dir, common...)
	s.heir = rig.StartSidecar(t, promfold(), rig.Seat{}, dir, common...)
	s.reader = rig.StartSidecar(t, promfold(), rig.Seat{}, dir, append(common, "--no-archive")...)
	return s
}

// least is what an answer must show that begins now.
func (s *soak) least() map[string]float64 {
	least := s.ledger.least()
	least["soak_total"] = float64(s.stock.acked.Load())
	return least
}

// clients are good and bad ones of one sidecar.
func (s *soak) clients(of *rig.Sidecar) *loadClients {
	c := &loadClients{url: of.URL(), least: s.least, rest: 300 * time.Millisecond, quit: make(chan struct{})}
	c.scrapers(3)
	c.hangers(1)
	c.slow(1)
	c.halves(1)
	return c
}

// happen is the next thing that goes wrong.
func (s *soak) happen() {
	s.t.Helper()
	s.events++
	i := s.rng.IntN(len(s.living))
	var err error
	n := s.rng.IntN(100)
	if first := []int{0, 30, 45, 60, 62, 66, 71, 80}; s.events <= len(first) { // one of each
		n = first[s.events-1]
	}
	switch {
	case n < 30:
		s.living[i].kill()
		s.living[i] = s.ledger.start(s.t, s.dir)
		s.deaths++
	case n < 45:
		s.living[i].counts(s.t, 1)
		s.living[i].stop(s.t)
		s.living[i] = s.ledger.start(s.t, s.dir)
		s.ends++
	case n < 60:
		s.stock.start(s.t, s.dir)
		s.stock.kill()
	case n < 62:
		s.wave()
	case n < 66:
		s.mortal.Restart(s.t)
		s.kills++
	case n < 71:
		s.reloads++
		for _, one := range []*rig.Sidecar{s.heir, s.reader} {
			if err = reload(one, s.config, s.reloads); err != nil {
				break
			}
		}
	case n < 80:
		err = churn(s.dir, s.events)
	default:
		err = s.garbage.throw()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// wave is some hundred short lives.
func (s *soak) wave() {
	s.t.Helper()
	p := rig.Start(s.t, "lives", inRole("load-lives", s.dir, strconv.Itoa(s.lives)))
	_ = p.Ended(s.t, 10*patience) // killed
	if out := p.Out.String(); out != "" {
		s.t.Fatal(out)
	}
	s.lives += livesOfOne
}

// Property: with all attacks going on at once, nothing that was acknowledged is
// missing from any answer, nothing cumulative goes down or leaves, at the end all
// is what the ledgers say, sidecars that lived through it hold what they held at
// the start, and their logs have a line for each change and no more.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	awaitArchiver(t, s.heir, s.mortal)
	lasting := []*rig.Sidecar{s.heir, s.reader}
	var before []holding
	for _, one := range lasting {
		before = append(before, held(t, one, s.dir))
	}
	for range 3 {
		s.living = append(s.living, s.ledger.start(t, s.dir))
		s.stock.start(t, s.dir)
	}
	ofHeir, ofReader := s.clients(s.heir), s.clients(s.reader)
	mortal := s.followMortal()
	for began := time.Now(); time.Since(began) < *soakTime; {
		s.happen()
		time.Sleep(rand.N(400 * time.Millisecond)) // low intensity
	}
	ofHeir.stop(t)
	ofReader.stop(t)
	mortal()
	s.end(lasting)
	for i, one := range lasting {
		after := awaitHeld(t, one, s.dir, before[i])
		t.Logf("sidecar %d at the start: %v; at the end: %v", i, before[i], after)
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, directory.HiddenName, "*"))
	t.Logf("%d events: %d workers killed, %d ended; %d stock clients killed; %d short lives; %d sidecars killed, %d reloads, %d pieces of garbage",
		s.events, s.deaths, s.ends, s.stock.killed, s.lives, s.kills, 2*s.reloads, s.garbage.thrown)
	t.Logf("%d + %d answers read in full, %d hung up on; left in %s: %d files", ofHeir.answered.Load(), ofReader.answered.Load(),
		ofHeir.hungUp.Load()+ofReader.hungUp.Load(), directory.HiddenName, len(left))
	for _, one := range lasting {
		s.checkLog(one.Stop(t))
	}
}

// end lets all die, clears up and holds the sums against what was acknowledged.
func (s *soak) end(sidecars []*rig.Sidecar) {
	t := s.t
	t.Helper()
	for _, w := range s.living {
		w.kill()
	}
	for len(s.stock.living) > 0 {
		s.stock.kill()
	}
	if err := s.garbage.clear(len(s.garbage.lying)); err != nil {
		t.Fatal(err)
	}
	for _, one := range append(sidecars, s.mortal) {
		awaitArchived(t, one)
		got := one.Scraped(t)
		s.ledger.check(t, got)
		acked := float64(s.stock.acked.Load())
		s.ledger.within(t, got.Sum("load_lives_total"), "load_lives_total", float64(s.lives), float64(s.lives))
		s.ledger.within(t, got.Sum("soak_total"), "soak_total", acked, acked+float64(s.stock.killed))
	}
	acked, uncertain := s.ledger.acknowledged()
	t.Logf("acknowledged %d batches of goroutine 0 (%d uncertain), %d counts of stock clients (%d uncertain)",
		acked[0], uncertain[0], s.stock.acked.Load(), s.stock.killed)
}

// followMortal scrapes the sidecar that is killed, across its lives, until it is
// told to stop.
func (s *soak) followMortal() (stop func()) {
	c := &loadClients{rest: 200 * time.Millisecond, quit: make(chan struct{})}
	var seen rig.Monotone
	answered, forgiven := 0, 0
	c.start(1, func(*rand.Rand) error {
		kills := s.mortal.Kills.Load()
		least := s.least()
		got, err := s.mortal.Scrape()
		if err != nil {
			if kills%2 == 1 || s.mortal.Kills.Load() != kills {
				forgiven++
				return nil
			}
			return err
		}
		answered++
		for series, value := range least {
			if got[series].Value < value {
				c.faults.Add("mortal: %s is %v, and %v were acknowledged before", series, got[series].Value, value)
			}
		}
		for _, fault := range seen.Check(got.App()) {
			c.faults.Add("mortal: %s", fault)
		}
		return nil
	})
	return func() {
		c.stop(s.t)
		s.t.Logf("%d answers of the sidecar that was killed %d times, %d cut off", answered, s.kills, forgiven)
	}
}

// awaitArchiver waits until one of them archives.
func awaitArchiver(t *testing.T, sidecars ...*rig.Sidecar) {
	t.Helper()
	rig.Await(t, patience, func() error {
		for _, s := range sidecars {
			if s.Scraped(t).Sum("promfold_archive_active") == 1 {
				return nil
			}
		}
		return fmt.Errorf("nobody archives")
	})
}

var logTime = regexp.MustCompile(`^time=\S+ `)

// checkLog holds a log against what happened: a file is named when its trouble
// begins, and a change makes no more than a few lines.
func (s *soak) checkLog(log string) {
	s.t.Helper()
	times := make(map[string]int)
	lines := 0
	for line := range strings.Lines(log) {
		lines++
		if line = logTime.ReplaceAllString(line, ""); strings.Contains(line, "path=") {
			times[line]++
		}
	}
	for line, n := range times {
		if n > 3 { // a file may be found cut, and cut otherwise, while it is written
			s.t.Errorf("%d times in the log: %s", n, line)
		}
	}
	if most := 20 + 4*s.events; lines > most {
		s.t.Errorf("%d lines in the log for %d events", lines, s.events)
	}
	s.t.Logf("%d lines in a log", lines)
}
