package archiver

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// The naive model: every process that ever was, with all it did, in plain maps.
// It knows neither files nor archives.
type model struct {
	counters map[string]map[*process]*share // by series, then by process
	observed map[float64]uint64             // per bucket bound, +Inf included
	sum      float64
	max      float64
	latest   float64
}

type share struct {
	total, forgotten float64
	showing          bool
	born             int64
	deletedAt        int64 // 0: not deleted, or forgotten since
}

type process struct {
	w        *mmapstore.Writer
	live     bool
	counter  int
	slots    map[string]mmapstore.Slot
	hist     mmapstore.Slot
	max      mmapstore.Slot
	latest   mmapstore.Slot
	inflight mmapstore.Slot
	gauge    float64
}

var bounds = []float64{1, 5}

// hidden: deleted, shown by no live process, and not begun anew since by one
// that died.
func hidden(shares map[*process]*share) bool {
	var deleted, newest int64
	for p, s := range shares {
		deleted = max(deleted, s.deletedAt)
		if s.showing && p.live {
			return false
		}
		if s.showing {
			newest = max(newest, s.born)
		}
	}
	return deleted > 0 && newest <= deleted
}

// value is what a series must expose, and whether it must.
func (m *model) value(key string) (float64, bool) {
	shares := m.counters[key]
	if hidden(shares) {
		return 0, false
	}
	var total float64
	contributed := false
	for _, s := range shares {
		total += s.total - s.forgotten
		contributed = contributed || s.showing || s.deletedAt > 0
	}
	return total, contributed
}

// archived applies what an archive round means: series that are hidden start
// afresh. It returns these.
func (m *model) archived() (forgotten []string) {
	for key, shares := range m.counters {
		if !hidden(shares) {
			continue
		}
		forgotten = append(forgotten, key)
		for p, s := range shares {
			s.forgotten, s.deletedAt, s.showing = s.total, 0, false
			if !p.live {
				delete(shares, p)
			}
		}
		if len(shares) == 0 {
			delete(m.counters, key)
		}
	}
	return forgotten
}

// world is the system under test beside its model.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	dir      string
	d        *directory.Directory
	a        *Archiver
	merger   *aggregate.Merger
	model    model
	live     []*process
	clock    int64
	exposed  map[string]float64 // highest value so far of every cumulative sample
	archives int
	// restarted: samples whose series was forgotten since the last scrape.
	restarted map[string]bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), exposed: map[string]float64{}, restarted: map[string]bool{}}
	w.d = directory.New(w.dir, directory.Options{Archiving: true})
	w.a = New(w.d, Options{})
	w.merger = aggregate.NewMerger(nil)
	w.model = model{counters: map[string]map[*process]*share{}, observed: map[float64]uint64{}, max: math.Inf(-1)}
	t.Cleanup(func() {
		for _, p := range w.live {
			p.w.Close()
		}
		w.d.Close()
	})
	return w
}

func (w *world) birth() {
	store, err := mmapstore.Create(w.dir, mmapstore.WriterOptions{Identity: fmt.Sprint(w.rng.IntN(3))})
	if err != nil {
		w.t.Fatal(err)
	}
	p := &process{w: store, live: true, slots: map[string]mmapstore.Slot{}}
	family := func(f mmapstore.Family) int {
		n, err := store.AddFamily(f)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	series := func(f mmapstore.Family) mmapstore.Slot {
		s, err := store.AddSeries(family(f), "", time.Now())
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
	p.counter = family(mmapstore.Family{Name: "c_total", Type: mmapstore.Counter})
	p.hist = series(mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: bounds})
	p.max = series(mmapstore.Family{Name: "g_max", Type: mmapstore.Gauge, Mode: mmapstore.Max})
	p.latest = series(mmapstore.Family{Name: "g_latest", Type: mmapstore.Gauge, Mode: mmapstore.Latest})
	p.inflight = series(mmapstore.Family{Name: "g_livesum", Type: mmapstore.Gauge, Mode: mmapstore.LiveSum})
	w.live = append(w.live, p)
}

func (w *world) death() {
	i := w.rng.IntN(len(w.live))
	p := w.live[i]
	if err := p.w.Close(); err != nil {
		w.t.Fatal(err)
	}
	p.live = false
	w.live = slices.Delete(w.live, i, i+1)
}

func (w *world) someone() *process { return w.live[w.rng.IntN(len(w.live))] }

func (w *world) count() {
	p, key := w.someone(), fmt.Sprint("k", w.rng.IntN(4))
	slot, ok := p.slots[key]
	shares := w.model.counters[key]
	if shares == nil {
		shares = map[*process]*share{}
		w.model.counters[key] = shares
	}
	if !ok {
		w.clock = time.Now().UnixNano()
		labels, _ := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "k", Value: key}})
		var err error
		if slot, err = p.w.AddSeries(p.counter, labels, time.Unix(0, w.clock)); err != nil {
			w.t.Fatal(err)
		}
		p.slots[key] = slot
		s := shares[p]
		if s == nil {
			s = &share{}
			shares[p] = s
		}
		s.showing, s.born, s.deletedAt = true, w.clock, 0
	}
	if w.rng.IntN(2) == 0 {
		slot.Cells[0].Add(3)
		shares[p].total += 3
		return
	}
	old := math.Float64frombits(slot.Cells[1].Load())
	slot.Cells[1].Store(math.Float64bits(old + 0.25))
	shares[p].total += 0.25
}

func (w *world) remove() {
	p := w.someone()
	for key, slot := range p.slots {
		if err := p.w.Delete(slot); err != nil {
			w.t.Fatal(err)
		}
		delete(p.slots, key)
		s := w.model.counters[key][p]
		s.showing, s.deletedAt = false, time.Now().UnixNano()
		return
	}
}

func (w *world) observe() {
	p, v := w.someone(), w.rng.Float64()*8
	bucket := 0
	bound := math.Inf(+1)
	for bucket < len(bounds) && v > bounds[bucket] {
		bucket++
	}
	if bucket < len(bounds) {
		bound = bounds[bucket]
	}
	p.hist.Cells[1+bucket].Add(1)
	old := math.Float64frombits(p.hist.Cells[0].Load())
	p.hist.Cells[0].Store(math.Float64bits(old + v))
	w.model.observed[bound]++
	w.model.sum += v
}

func (w *world) set() {
	p, v := w.someone(), w.rng.NormFloat64()
	p.max.Cells[1].Store(math.Float64bits(max(v, math.Float64frombits(p.max.Cells[1].Load()))))
	p.max.Cells[0].Store(1)
	w.model.max = max(w.model.max, math.Float64frombits(p.max.Cells[1].Load()))
	mmapstore.SetLatest(p.latest.Cells, v, time.Now().UnixNano())
	w.model.latest = v
	p.inflight.Cells[1].Store(math.Float64bits(v))
	p.inflight.Cells[0].Store(1)
	p.gauge = v
}

func (w *world) archive() {
	if err := w.a.Once(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range w.model.archived() {
		w.restarted["c_total,"+key] = true
	}
	w.archives++
}

// scrape merges what is there, and holds the result to the model.
func (w *world) scrape() {
	v, err := w.d.Scan(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	got := w.merge(w.merger, v.Sources())
	shuffled := v.Sources()
	w.rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	other := w.merge(aggregate.NewMerger(nil), shuffled)
	for name, value := range got {
		if other[name] != value {
			w.t.Fatalf("%s is %v, in another order %v", name, value, other[name])
		}
	}
	w.compare(got)
	w.neverDown(got)
}

func (w *world) merge(m *aggregate.Merger, sources []aggregate.Source) map[string]float64 {
	r, err := m.Merge(sources)
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range r.Metrics() {
		for _, metric := range f.Metric {
			flatten(f, metric, got)
		}
	}
	return got
}

func (w *world) compare(got map[string]float64) {
	want := map[string]float64{}
	for key := range w.model.counters {
		if v, ok := w.model.value(key); ok {
			want["c_total,"+key] = v
		}
	}
	if len(w.live) > 0 || w.archives > 0 {
		var cumulative float64
		for _, b := range append(slices.Clone(bounds), math.Inf(+1)) {
			cumulative += float64(w.model.observed[b])
			if !math.IsInf(b, +1) {
				want[fmt.Sprint("h_bucket,", b)] = cumulative
			}
		}
		want["h_count"], want["h_sum"] = cumulative, w.model.sum
	}
	if !math.IsInf(w.model.max, -1) {
		want["g_max"], want["g_latest"] = w.model.max, w.model.latest
	}
	if len(w.live) > 0 {
		var sum float64
		for _, p := range w.live {
			sum += p.gauge
		}
		want["g_livesum"] = sum
	}
	for name, v := range want {
		if math.Abs(got[name]-v) > 1e-9*math.Abs(v) {
			w.t.Fatalf("%s = %v, want %v", name, got[name], v)
		}
	}
	for name, v := range got {
		if _, ok := want[name]; !ok {
			w.t.Fatalf("%s = %v, which the model does not have", name, v)
		}
	}
}

func (w *world) neverDown(got map[string]float64) {
	for name, v := range got {
		if name[0] == 'g' || name == "h_sum" {
			continue
		}
		if v < w.exposed[name] && !w.restarted[name] {
			w.t.Fatalf("%s fell from %v to %v", name, w.exposed[name], v)
		}
	}
	clear(w.restarted)
	for name := range w.exposed {
		if _, ok := got[name]; !ok {
			delete(w.exposed, name) // it left altogether
		}
	}
	for name, v := range got {
		w.exposed[name] = v
	}
}

// Property: for any schedule of births, writes, deletions, deaths and archive
// rounds, and any order of the files, what is exposed equals the naive model,
// and no cumulative sample goes down while it is exposed.
func TestScrapeEqualsNaiveModel(t *testing.T) {
	for seed := range schedules() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.birth()
			for range 300 {
				switch n := w.rng.IntN(100); {
				case n < 5 && len(w.live) < 6 || len(w.live) == 0:
					w.birth()
				case n < 9:
					w.death()
				case n < 13:
					w.archive()
				case n < 18:
					w.remove()
				case n < 30:
					w.observe()
				case n < 40:
					w.set()
				case n < 75:
					w.count()
				default:
					w.scrape()
				}
			}
		})
	}
}
