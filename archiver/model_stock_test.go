package archiver

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

var seeds = flag.Uint64("seeds", 60, "schedules of the model tests")

// schedules is how many seeds a run tries.
func schedules() uint64 {
	if testing.Short() {
		return min(*seeds, 10)
	}
	return *seeds
}

// tallies is the naive model of a directory of stock clients' files: what was
// counted in all, ever. It knows neither processes that are gone nor files.
type tallies struct {
	counters map[string]float64
	observed map[float64]float64 // by bound
	sum      float64
	max      float64
	latest   float64
	set      bool // max and latest were
}

// stockWorld is the system under test beside that model, with an archiver for
// whom time passes as the test says.
type stockWorld struct {
	*patient
	rng     *rand.Rand
	t       *testing.T
	d       *directory.Directory // of a reader beside it
	m       *aggregate.Merger
	model   tallies
	live    map[string]*stockProcess // by pid
	natives []*mmapstore.Writer
	clock   float64
	exposed map[string]float64
	late    int  // processes that found a file aside
	over    bool // nobody comes any more
}

// stockProcess is a process and its files, by their stems.
type stockProcess struct {
	files    map[string]*stocktest.File
	inflight float64
}

func newStockWorld(t *testing.T, seed uint64) *stockWorld {
	w := &stockWorld{
		t: t, rng: rand.New(rand.NewPCG(seed, 3)), m: aggregate.NewMerger(nil),
		live: map[string]*stockProcess{}, exposed: map[string]float64{},
	}
	w.model = tallies{counters: map[string]float64{}, observed: map[float64]float64{}, max: math.Inf(-1)}
	w.patient = newPatient(t)
	w.o.step = w.step
	w.d = directory.New(w.dir, directory.Options{})
	t.Cleanup(func() {
		for _, n := range w.natives {
			must(t, n.Close())
		}
		for pid := range w.live {
			w.die(pid)
		}
		must(t, w.d.Close())
	})
	return w
}

// step lets a process find the file by its old name just before it is set aside.
func (w *stockWorld) step(s Step) {
	if s != StepSetAside || w.over || w.rng.IntN(4) > 0 {
		return
	}
	asides, err := filepath.Glob(filepath.Join(w.dir, directory.HiddenName, "dead-*-counter_*.db"))
	must(w.t, err)
	for _, path := range asides {
		name := filepath.Base(path)
		pid := name[len(name)-len("5000000.db") : len(name)-len(".db")]
		if w.live[pid] != nil || w.rng.IntN(2) > 0 {
			continue
		}
		f, err := stocktest.Open(path)
		must(w.t, err)
		w.live[pid] = &stockProcess{files: map[string]*stocktest.File{"counter": f}}
		w.late++
	}
}

// born is a process with one of a few pids: mostly there was one before, and it
// takes up those of its files that are still there.
func (w *stockWorld) born() {
	if pid := noPID(w.rng.IntN(4)); w.live[pid] == nil {
		w.live[pid] = &stockProcess{files: map[string]*stocktest.File{}}
	}
}

// file is one that the process opens when it first needs it, as the clients do.
func (w *stockWorld) file(pid, stem string) *stocktest.File {
	p := w.live[pid]
	if p.files[stem] == nil {
		f, err := stocktest.Open(filepath.Join(w.dir, stem+"_"+pid+".db"))
		must(w.t, err)
		p.files[stem] = f
	}
	return p.files[stem]
}

func (w *stockWorld) die(pid string) {
	for _, f := range w.live[pid].files {
		must(w.t, f.Close())
	}
	delete(w.live, pid)
}

// someone is the pid of a live process, empty if there is none.
func (w *stockWorld) someone() string {
	pids := make([]string, 0, len(w.live))
	for pid := range w.live {
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		return ""
	}
	slices.Sort(pids)
	return pids[w.rng.IntN(len(pids))]
}

func (w *stockWorld) count(pid string) {
	key, n := fmt.Sprint("k", w.rng.IntN(4)), []float64{1, 3, 0.25}[w.rng.IntN(3)]
	must(w.t, w.file(pid, "counter").Add(stocktest.Key("c", "c_total", "", "k="+key), n))
	w.model.counters[key] += n
}

func (w *stockWorld) observe(pid string) {
	i := w.rng.IntN(3)
	v := []float64{0.5, 3, 8}[i]
	f := w.file(pid, "histogram")
	must(w.t, f.Add(stocktest.Key("h", "h_sum", ""), v))
	must(w.t, f.Add(stocktest.Key("h", "h_bucket", "", "le="+[]string{"1.0", "5.0", "+Inf"}[i]), 1))
	w.model.observed[[]float64{1, 5, math.Inf(+1)}[i]]++
	w.model.sum += v
}

func (w *stockWorld) set(pid string) {
	v := w.rng.NormFloat64()
	w.model.max, w.model.latest, w.model.set = max(w.model.max, v), v, true
	// A file that was taken up is written over, so nobody sets less than all had.
	must(w.t, w.file(pid, "gauge_max").Set(stocktest.Key("g_max", "g_max", ""), w.model.max, 0))
	w.clock = max(w.clock+1e-6, float64(time.Now().UnixNano())/1e9) // in which no two are alike
	must(w.t, w.file(pid, "gauge_mostrecent").Set(stocktest.Key("g_latest", "g_latest", ""), v, w.clock))
	must(w.t, w.file(pid, "gauge_livesum").Set(stocktest.Key("g_livesum", "g_livesum", ""), 2, 0))
	w.live[pid].inflight = 2
}

// native lets native workers count in the same counters, and die.
func (w *stockWorld) native() {
	if n := len(w.natives); n > 2 {
		must(w.t, w.natives[0].Close())
		w.natives = w.natives[1:]
		return
	}
	n, err := mmapstore.Create(w.dir, mmapstore.WriterOptions{})
	must(w.t, err)
	family, err := n.AddFamily(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
	must(w.t, err)
	labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "k", Value: "k0"}})
	must(w.t, err)
	s, err := n.AddSeries(family, labels, time.Now())
	must(w.t, err)
	s.Cells[0].Add(7)
	w.model.counters["k0"] += 7
	w.natives = append(w.natives, n)
}

// archive is a round, before or after the files have waited.
func (w *stockWorld) archive() {
	if w.rng.IntN(2) == 0 {
		w.wait()
	}
	w.round(w.t)
}

func (w *stockWorld) scrape() {
	d, m := w.d, w.m
	if w.rng.IntN(3) == 0 { // somebody who has never looked before
		d, m = directory.New(w.dir, directory.Options{}), aggregate.NewMerger(nil)
		defer d.Close()
	}
	got, err := flatScrape(d, m)
	must(w.t, err)
	want := map[string]float64{}
	for key, v := range w.model.counters {
		want["c_total,"+key] = v
	}
	var cumulative float64
	for _, bound := range []float64{1, 5} {
		if cumulative += w.model.observed[bound]; w.model.observed[bound] > 0 { // files tell no other bounds
			want[fmt.Sprint("h_bucket,", bound)] = cumulative
		}
	}
	want["h_count"], want["h_sum"] = cumulative+w.model.observed[math.Inf(+1)], w.model.sum
	if w.model.set {
		want["g_max"], want["g_latest"] = w.model.max, w.model.latest
	}
	for _, p := range w.live {
		want["g_livesum"] += p.inflight
	}
	for name, v := range want {
		if math.Abs(got[name]-v) > 1e-9*math.Abs(v) {
			w.t.Fatalf("%s = %v, want %v; %q", name, got[name], v, names(w.t, w.dir))
		}
	}
	for name, v := range got {
		if _, ok := want[name]; !ok {
			w.t.Fatalf("%s = %v, which the model does not have", name, v)
		}
	}
	for name, v := range w.exposed {
		if name[0] != 'g' && got[name] < v {
			w.t.Fatalf("%s fell from %v to %v", name, v, got[name])
		}
	}
	w.exposed = got
}

// Property: for any schedule of births, writes and deaths of stock clients'
// processes, of which most take up the files of one that is dead or open them while
// they are set aside, beside native ones and archive rounds, what is exposed equals
// the naive model, and no cumulative sample goes down.
func TestStockFilesEqualNaiveModel(t *testing.T) {
	var late atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for seed := range (schedules() + 2) / 3 {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				w := newStockWorld(t, seed)
				for range 300 {
					w.act()
				}
				w.end()
				late.Add(int64(w.late))
			})
		}
	})
	if late.Load() == 0 {
		t.Error("nobody ever found a file that was being set aside")
	}
	t.Logf("%d opened while they were set aside", late.Load())
}

// end lets all die, and holds the archiver to leaving nothing.
func (w *stockWorld) end() {
	w.over = true
	for w.someone() != "" {
		w.die(w.someone())
	}
	for range 3 {
		w.wait()
		w.round(w.t)
		w.scrape()
	}
	for _, name := range names(w.t, w.dir) {
		if filepath.Ext(name) == ".db" {
			w.t.Errorf("left over: %s", name)
		}
	}
}

func (w *stockWorld) act() {
	pid := w.someone()
	switch n := w.rng.IntN(100); {
	case n < 8 || pid == "":
		w.born()
	case n < 14:
		w.die(pid)
	case n < 26:
		w.archive()
	case n < 29:
		w.native()
	case n < 40:
		w.observe(pid)
	case n < 50:
		w.set(pid)
	case n < 75:
		w.count(pid)
	default:
		w.scrape()
	}
}
