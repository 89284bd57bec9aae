package archiver

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// noPID is a pid that no process can have: one that exists means alive.
func noPID(n int) string { return fmt.Sprint(5_000_000 + n) }

// deadStock makes the files of a client_python process that counted n in c_total
// and died: a counter, and a gauge of a live mode.
func deadStock(t testing.TB, dir, pid string, n float64) {
	t.Helper()
	must(t, stocktest.Counter(t, dir, pid, n).Close())
	gauge, err := stocktest.Open(filepath.Join(dir, "gauge_livesum_"+pid+".db"))
	must(t, err)
	must(t, gauge.Set(stocktest.Key("g", "g", "A gauge."), 1, 0))
	must(t, gauge.Close())
}

// Property: what stock clients' processes counted is exposed as before when they
// are dead and archived, their files are gone, and those of the living stay.
func TestStockFilesAreArchived(t *testing.T) {
	dir := t.TempDir()
	deadStock(t, dir, noPID(71), 3)
	deadStock(t, dir, noPID(72), 4)
	live := stocktest.Counter(t, dir, noPID(73), 5)
	stats := mustOnce(t, dir)
	if stats.Absorbed != 2 || stats.Discarded != 2 {
		t.Errorf("%+v", stats)
	}
	if got := exposed(t, dir); got != 12 {
		t.Errorf("exposed %v", got)
	}
	want := []string{".promfold/archive.pfa", ".promfold/spare.pfa", "counter_5000073.db"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left: %q", got)
	}
	must(t, live.Add(stocktest.CounterKey, 1))
	if got := exposed(t, dir); got != 13 {
		t.Errorf("exposed %v", got)
	}
}

// Property: Once archives the files that it has set aside, however slow it is.
func TestSlowOnce(t *testing.T) {
	dir := t.TempDir()
	deadStock(t, dir, noPID(71), 3)
	const interval = time.Millisecond
	stats, err := once(t, dir, Options{Interval: interval, step: func(s Step) {
		if s == StepSetAside {
			time.Sleep(2 * interval) // all have rested before the round is over
		}
	}})
	must(t, err)
	if stats.Absorbed != 1 || stats.Discarded != 1 {
		t.Errorf("%+v", stats)
	}
}

// Property: Once looks at all files, though another Once did so a moment ago.
func TestOnceAgain(t *testing.T) {
	dir := t.TempDir()
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	a := New(d, Options{Interval: 10 * time.Millisecond})
	for n := range 3 {
		deadStock(t, dir, noPID(71+n), 3)
		must(t, a.Once(t.Context()))
		if stats := a.Stats(); stats.Absorbed != uint64(n+1) {
			t.Errorf("after %d: %+v", n+1, stats)
		}
	}
}

// Property: an archiver that is killed at any step, once or twice in a row,
// leaves a directory of stock files that exposes exactly what was counted, both
// to who looks for the first time and to who has looked before; the next one
// finishes.
func TestKillAtEveryStepWithStockFiles(t *testing.T) {
	steps := append([]Step{StepMourned, StepSetAside, StepProbed, StepDiscarded}, commitSteps...)
	for _, step := range steps {
		for _, kills := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d", step, kills), func(t *testing.T) {
				t.Parallel()
				killStockAt(t, step, kills)
			})
		}
	}
}

func killStockAt(t *testing.T, step Step, kills int) {
	dir := t.TempDir()
	stocktest.Counter(t, dir, noPID(1000), 1000)
	want, pid := 1000.0, 0
	warm := directory.New(dir, directory.Options{})
	defer warm.Close()
	check := func(when string) {
		t.Helper()
		if got, remembered := exposed(t, dir), exposedBy(t, warm); got != want || remembered != want {
			t.Fatalf("%s: exposed %v, by whom has looked before %v, want %v", when, got, remembered, want)
		}
	}
	for range kills {
		for range 3 {
			pid++
			deadStock(t, dir, noPID(pid), float64(pid))
			want += float64(pid)
		}
		check("before")
		if !startChild(t, "round", dir, string(step)).wait(t) {
			t.Fatal("not killed")
		}
		check("after the kill")
	}
	mustOnce(t, dir)
	check("after another's round")
	left := slices.DeleteFunc(names(t, dir), func(s string) bool { return strings.HasPrefix(s, ".promfold/") })
	if !slices.Equal(left, []string{"counter_5001000.db"}) {
		t.Errorf("left over: %q", left)
	}
}

// Property: a process that found the file by its old name just before it was set
// aside goes on counting, loses nothing, and is archived when it is dead.
func TestTakenUpWhileSetAside(t *testing.T) {
	dir := t.TempDir()
	must(t, stocktest.Counter(t, dir, noPID(7), 3).Close())
	var late *stocktest.File
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	a := New(d, Options{Interval: 10 * time.Millisecond, step: func(s Step) {
		if s == StepSetAside {
			asides, err := d.Asides()
			must(t, err)
			late, err = stocktest.Open(asides[0].Path)
			must(t, err)
		}
	}})
	must(t, a.Once(context.Background()))
	must(t, late.Add(stocktest.CounterKey, 2))
	must(t, a.Once(context.Background()))
	if got := exposed(t, dir); got != 5 || a.Stats().Absorbed != 0 {
		t.Errorf("exposed %v, %+v", got, a.Stats())
	}
	must(t, late.Add(stocktest.CounterKey, 2))
	must(t, late.Close())
	must(t, a.Once(context.Background()))
	if got := exposed(t, dir); got != 7 || a.Stats().Absorbed != 1 {
		t.Errorf("exposed %v, %+v", got, a.Stats())
	}
}

// Property: processes that get the same pid again and again, beside an archiver
// that is as fast as can be, lose nothing and count nothing twice; and the total
// never goes down for who looks on.
func TestSamePIDAgainAndAgain(t *testing.T) {
	dir := t.TempDir()
	standby(t, dir)
	look := directory.New(dir, directory.Options{})
	defer look.Close()
	const lives = 2000
	last := 0.0
	for n := range lives {
		f := stocktest.Counter(t, dir, noPID(7), 1)
		must(t, f.Add(stocktest.CounterKey, 1))
		must(t, f.Close())
		if n%10 == 0 {
			got := exposedBy(t, look)
			if got < last || got != float64(2*(n+1)) {
				t.Fatalf("exposed %v after %v, %d were counted", got, last, 2*(n+1))
			}
			last = got
		}
	}
	if got := exposed(t, dir); got != 2*lives {
		t.Errorf("exposed %v", got)
	}
}

// Property: where another program archives the directory (the postmates fork
// leaves a lockfile), its files are served and not touched.
func TestForeignArchiverIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	deadStock(t, dir, noPID(7), 3)
	lockfile := filepath.Join(dir, "lockfile")
	must(t, os.WriteFile(lockfile, nil, 0o644))
	stats := mustOnce(t, dir)
	if !stats.Foreign || stats.Absorbed+stats.Discarded > 0 {
		t.Errorf("%+v", stats)
	}
	if got := exposed(t, dir); got != 3 || !slices.Contains(names(t, dir), "counter_5000007.db") {
		t.Errorf("exposed %v of %q", got, names(t, dir))
	}
	must(t, os.Remove(lockfile))
	if stats := mustOnce(t, dir); stats.Foreign || stats.Absorbed != 1 {
		t.Errorf("%+v", stats)
	}
}

// Property: what is no client's file keeps its place, whatever its name, and a
// damaged one counts with what can be read of it and is set aside for somebody
// to look at.
func TestFilesThatAreNoClients(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "counter_1.db")
	must(t, os.WriteFile(junk, []byte("SQLite format 3\x00 and so on"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "counter_2.db"), 0o755))
	must(t, os.Symlink(junk, filepath.Join(dir, "counter_3.db")))
	must(t, stocktest.Counter(t, dir, noPID(4), 3).Close())
	f, err := os.OpenFile(filepath.Join(dir, "counter_5000004.db"), os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{0xff}, 0) // of what is used: more than there is entries
	must(t, err)
	must(t, f.Close())
	stats := mustOnce(t, dir)
	if stats.Absorbed != 1 || stats.SetAside != 1 || exposed(t, dir) != 3 {
		t.Errorf("%+v, exposed %v", stats, exposed(t, dir))
	}
	for _, name := range []string{"counter_1.db", "counter_2.db", "counter_3.db"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// Property: more dead files than can be open at once are archived all the same.
func TestMoreStockFilesThanDescriptors(t *testing.T) {
	dir := t.TempDir()
	want := 0.0
	for pid := range 1500 {
		must(t, stocktest.Counter(t, dir, noPID(pid), float64(pid)).Close())
		want += float64(pid)
	}
	if startChild(t, "few", dir).wait(t) {
		t.Fatal("killed")
	}
	if got, left := exposed(t, dir), len(names(t, dir)); got != want || left != 2 {
		t.Errorf("exposed %v, want %v; %d files left", got, want, left)
	}
}

// patient is an archiver whose files wait for an hour, unless the test has the
// time pass.
type patient struct {
	*Archiver
	dir   string
	aside int // files that were set aside
}

func newPatient(t *testing.T) *patient {
	p := &patient{dir: t.TempDir()}
	d := directory.New(p.dir, directory.Options{Archiving: true})
	t.Cleanup(func() { d.Close() })
	p.Archiver = New(d, Options{Interval: time.Hour, step: func(s Step) {
		if s == StepSetAside {
			p.aside++
		}
	}})
	return p
}

func (p *patient) round(t *testing.T) {
	t.Helper()
	p.lookAgain = time.Time{}
	_, _, err := p.tryOnce(context.Background())
	must(t, err)
}

// wait lets two hours pass.
func (p *patient) wait() { p.pass(2 * time.Hour) }

func (p *patient) pass(d time.Duration) {
	for path, m := range p.mourned {
		m.since = m.since.Add(-d)
		p.mourned[path] = m
	}
	for id, since := range p.resting {
		p.resting[id] = since.Add(-d)
	}
}

// Property: a file keeps its name for a while after it was first found dead, for
// hooks of the server that are about to remove it, then rests for a while under
// its new one, and only then is folded.
func TestGraceAndRest(t *testing.T) {
	p := newPatient(t)
	must(t, stocktest.Counter(t, p.dir, noPID(7), 3).Close())
	want := func(when string, aside int, absorbed uint64) {
		t.Helper()
		if got := p.Stats().Absorbed; p.aside != aside || got != absorbed {
			t.Fatalf("%s: %d set aside, want %d; %d absorbed, want %d", when, p.aside, aside, got, absorbed)
		}
	}
	p.round(t)
	p.pass(-time.Minute) // however slow the test is, the grace is not over
	first := maps.Clone(p.mourned)
	p.round(t)
	if want("found dead", 0, 0); !maps.Equal(p.mourned, first) {
		t.Error("the grace begins with every round")
	}
	p.wait()
	p.round(t)
	want("after the grace", 1, 0)
	p.round(t)
	want("at rest", 1, 0)
	p.wait()
	p.round(t)
	want("after the rest", 1, 1)
}

// Property: the grace is a file's own, and a death's: it begins anew for another
// file of the name, and for one that somebody took up meanwhile.
func TestGraceBeginsAnew(t *testing.T) {
	for name, meanwhile := range map[string]func(*patient, string){
		"another file": func(p *patient, path string) {
			must(t, os.Rename(path, path+".away"))
			must(t, stocktest.Counter(t, p.dir, noPID(7), 1).Close())
		},
		"taken up": func(p *patient, _ string) {
			f := stocktest.Counter(t, p.dir, noPID(7), 1)
			p.round(t)
			must(t, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			must(t, stocktest.Counter(t, p.dir, noPID(7), 3).Close())
			p.round(t)
			p.wait()
			meanwhile(p, filepath.Join(p.dir, "counter_"+noPID(7)+".db"))
			p.round(t)
			p.pass(-time.Minute)
			if p.round(t); p.aside != 0 {
				t.Error("set aside without grace")
			}
			p.wait()
			p.round(t)
			if p.aside != 1 {
				t.Error("not set aside")
			}
		})
	}
}

// Property: what native processes have deleted, and others still show, survives
// the archiving of stock clients' files, of which these others may be some.
func TestStockFilesBesideDeletedSeries(t *testing.T) {
	dir := t.TempDir()
	gone, err := mmapstore.Create(dir, mmapstore.WriterOptions{})
	must(t, err)
	family, err := gone.AddFamily(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
	must(t, err)
	slot, err := gone.AddSeries(family, "", time.Now())
	must(t, err)
	slot.Cells[0].Add(100)
	must(t, gone.Delete(slot))
	must(t, gone.Close())
	live := stocktest.Counter(t, dir, noPID(1), 5) // shows the series
	mustOnce(t, dir)
	if got := exposed(t, dir); got != 105 {
		t.Fatalf("exposed %v", got)
	}
	must(t, stocktest.Counter(t, dir, noPID(2), 7).Close())
	mustOnce(t, dir)
	if got := exposed(t, dir); got != 112 {
		t.Errorf("exposed %v", got)
	}
	must(t, live.Close())
}

// Property: a gauge that the operator has given another mode than its file's name
// tells is archived by that mode.
func TestOverriddenModeIsArchived(t *testing.T) {
	dir := t.TempDir()
	deadStock(t, dir, noPID(1), 3)
	d := directory.New(dir, directory.Options{
		Archiving: true, Overrides: mmapstore.Overrides{"g": {Type: mmapstore.Gauge, Mode: mmapstore.Max}},
	})
	defer d.Close()
	a := New(d, Options{Interval: 10 * time.Millisecond})
	must(t, a.Once(context.Background()))
	if stats := a.Stats(); stats.Absorbed != 2 || stats.Discarded != 0 {
		t.Errorf("%+v", stats)
	}
}

// Property: files that cannot be dealt with keep nobody from dealing with others.
func TestFilesThatFail(t *testing.T) {
	dir := t.TempDir()
	for n := range 2 * maxErrors {
		long := strings.Repeat("x", 230) + fmt.Sprint(n) // too long for a name with our prefix
		must(t, stocktest.Counter(t, dir, long, 1).Close())
	}
	for n := range 20 {
		must(t, stocktest.Counter(t, dir, noPID(n), 1).Close())
	}
	stats, err := once(t, dir, Options{Interval: 10 * time.Millisecond})
	for err != nil && stats.Absorbed < 20 { // fails at each round
		before := stats.Absorbed
		if stats, err = once(t, dir, Options{Interval: 10 * time.Millisecond}); stats.Absorbed == before {
			break
		}
	}
	if got := exposed(t, dir); got != 40 {
		t.Errorf("exposed %v", got)
	}
	left, globErr := filepath.Glob(filepath.Join(dir, "counter_50*.db"))
	if globErr != nil || len(left) > 0 {
		t.Errorf("%d left, %v", len(left), err)
	}
}
