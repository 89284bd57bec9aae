package aggregate_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// schedule is a run of the world: births, deaths, writes, deletions, folds and
// merges, in any order. choose(n) is the next choice out of n.
type schedule struct {
	t      *testing.T
	choose func(n int) int
	clock  int64 // seconds; every event has one of its own
	model  naive
	files  []*fake // not archived yet
	old    *aggregate.Archive
	warm   *aggregate.Merger // merges all the time, as an exporter does
	births int64
}

func newSchedule(t *testing.T, choose func(int) int) *schedule {
	s := &schedule{t: t, choose: choose, old: aggregate.NewArchive()}
	s.warm = aggregate.NewMerger(s.now).InLanes()
	return s
}

func (s *schedule) now() time.Time { return time.Unix(0, second(s.clock)) }

func (s *schedule) step() {
	s.clock++
	switch n := s.choose(32); {
	case n < 3:
		s.birth()
	case n < 5:
		if f := s.someone(); f != nil {
			f.dead()
		}
	case n < 8:
		s.remove()
	case n < 11:
		s.fold()
	case n < 16:
		s.merge()
	default:
		s.write()
	}
}

func (s *schedule) birth() {
	if len(s.files) >= 12 {
		return
	}
	s.births++
	f := process(s.clock).as(s.freeIdentity())
	f.meta.ID[2] = byte(s.births)
	s.files = append(s.files, f)
}

// freeIdentity: those who live at one time have different ones.
func (s *schedule) freeIdentity() string {
	taken := map[string]bool{}
	for _, f := range s.files {
		taken[f.meta.Identity] = taken[f.meta.Identity] || f.meta.State != mmapstore.Dead
	}
	for i := s.choose(3); ; i++ {
		if name := fmt.Sprint(i); !taken[name] {
			return name
		}
	}
}

// someone is a live process, nil if there is none.
func (s *schedule) someone() *fake {
	live := slices.DeleteFunc(slices.Clone(s.files), func(f *fake) bool { return f.meta.State == mmapstore.Dead })
	if len(live) == 0 {
		return nil
	}
	return live[s.choose(len(live))]
}

// family is one that the process may have: of fixed kind, or of a kind about
// which processes disagree.
func (s *schedule) family(f *fake) mmapstore.Family {
	modes := []mmapstore.Mode{mmapstore.Max, mmapstore.Min, mmapstore.Sum, mmapstore.Latest, mmapstore.LiveMax, mmapstore.LiveLatest}
	born := int(f.meta.Created/int64(time.Second)) % 60
	switch n := s.choose(20); {
	case n < 4:
		return mmapstore.Family{Name: "c", Type: mmapstore.Counter}
	case n == 4:
		return mmapstore.Family{Name: "u", Type: mmapstore.Untyped}
	case n == 5:
		return mmapstore.Family{Name: "s", Type: mmapstore.Summary}
	case n < 8:
		return mmapstore.Family{Name: "h", Type: mmapstore.Histogram, Bounds: [][]float64{{1, 2}, {2, 3}, {-1}}[born%3]}
	case n == 8:
		return mmapstore.Family{Name: "mixed_mode", Type: mmapstore.Gauge, Mode: modes[born%len(modes)]}
	case n == 9:
		return []mmapstore.Family{
			{Name: "mixed_type", Type: mmapstore.Counter}, {Name: "mixed_type", Type: mmapstore.Gauge, Mode: mmapstore.Max},
		}[born%2]
	default:
		mode := mmapstore.Mode(n - 9)
		return mmapstore.Family{Name: "g_" + mode.String(), Type: mmapstore.Gauge, Mode: mode}
	}
}

// own is the share of the process in a series, made or resumed if need be.
func (s *schedule) own(f *fake, family mmapstore.Family, labels string) *share {
	i := slices.IndexFunc(s.model.shares, func(o *share) bool {
		return o.owner == f && o.family.Name == family.Name && o.labels == labels
	})
	if i < 0 {
		n := f.add(family, labels)
		f.schema.Series[n].Created = second(s.clock)
		own := &share{owner: f, family: family, labels: labels, number: n, born: s.clock, first: s.clock, showing: true}
		own.counted = make([]float64, family.WordCount(1))
		own.forgotten = make([]float64, len(own.counted))
		s.model.shares = append(s.model.shares, own)
		return own
	}
	own := s.model.shares[i]
	if !own.showing {
		f.resume(own.number, s.clock)
		own.showing, own.born, own.deletedAt, own.set = true, s.clock, 0, false
	}
	return own
}

func (s *schedule) write() {
	f := s.someone()
	if f == nil {
		return
	}
	family := s.family(f)
	own := s.own(f, family, []string{"", "l=a", "m.n=b"}[s.choose(3)])
	words := f.words[f.schema.Series[own.number].Word:]
	v := float64(s.choose(16)) / 4
	switch {
	case family.Type == mmapstore.Counter || family.Type == mmapstore.Untyped:
		words[0] += 3
		words[1] = float(math.Float64frombits(words[1]) + v)
		own.counted[0] += 3 + v
	case family.Type.Cumulative(): // of histogram and summary
		bucket := 1 + s.choose(len(own.counted)-1)
		words[0] = float(math.Float64frombits(words[0]) + v)
		words[bucket]++
		own.counted[0] += v
		own.counted[bucket]++
	case s.choose(4) > 0: // else it stays as it is, maybe never set
		own.set, own.value = true, s.gaugeValue(v-2)
		words[0], words[1] = 1, float(own.value)
		if family.Mode.Timed() {
			own.setAt, words[2] = s.clock, uint64(second(s.clock))
		}
	}
}

// gaugeValue is v or, now and then, what no order or sum is at ease with.
func (s *schedule) gaugeValue(v float64) float64 {
	if n := s.choose(4 * len(specials)); n < 5 {
		return specials[n]
	}
	return v
}

func (s *schedule) remove() {
	showing := slices.DeleteFunc(slices.Clone(s.model.shares), func(o *share) bool { return !o.showing || !o.live() })
	if len(showing) == 0 {
		return
	}
	own := showing[s.choose(len(showing))]
	own.owner.remove(own.number, s.clock)
	own.showing, own.deletedAt, own.set = false, s.clock, false
}

// fold archives some of the dead.
func (s *schedule) fold() {
	var absorb []*fake
	all := slices.Clone(s.files)
	s.files = slices.DeleteFunc(s.files, func(f *fake) bool {
		if f.meta.State == mmapstore.Dead && s.choose(3) > 0 {
			absorb = append(absorb, f)
		}
		return slices.Contains(absorb, f)
	})
	shuffle(s.choose, all)
	s.old = archived(s.t, s.old, all, aggregate.FoldOptions{Now: s.now, DeadGauges: time.Hour * 1e5}, absorb...)
	s.model.fold()
}

func shuffle[T any](choose func(int) int, all []T) {
	for i := range all {
		j := i + choose(len(all)-i)
		all[i], all[j] = all[j], all[i]
	}
}

// merge holds two mergers to the model: one that has merged all along, and one
// that meets the sources for the first time, in another order.
func (s *schedule) merge() {
	s.clock++
	want := s.model.exposed()
	all := append(sources(s.files), s.old.Source("archive", nil))
	s.compare(want, s.warm, all)
	shuffle(s.choose, all)
	s.compare(want, aggregate.NewMerger(s.now), all)
}

func (s *schedule) compare(want map[string]float64, m *aggregate.Merger, all []aggregate.Source) {
	s.t.Helper()
	got := map[string]float64{}
	for _, f := range mergeBy(s.t, m, all...).Metrics() {
		for _, metric := range f.Metric {
			flatten(f, metric, got)
		}
	}
	for name := range got {
		// Bounds that only deleted shares brought may be there: they say nothing new.
		if _, ok := want[name]; !ok && !strings.Contains(name, " le ") {
			s.t.Fatalf("at %d: %s = %v, which the model does not have", s.clock, name, got[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[name]; !ok || v != want[name] && !(math.IsNaN(v) && math.IsNaN(want[name])) {
			s.t.Fatalf("at %d: %s = %v, %v, want %v", s.clock, name, v, ok, want[name])
		}
	}
}

func bucketKey(key string, bound float64) string { return fmt.Sprint(key, " le ", bound) }

// flatten names samples as the model does.
func flatten(f *dto.MetricFamily, m *dto.Metric, into map[string]float64) {
	key := f.GetName() + "{"
	for _, l := range m.Label {
		if l.GetName() == "pid" {
			key += "@" + l.GetValue()
			continue
		}
		key += l.GetName() + "=" + l.GetValue()
	}
	switch {
	case m.Counter != nil:
		into[key] = m.Counter.GetValue()
	case m.Untyped != nil:
		into[key] = m.Untyped.GetValue()
	case m.Gauge != nil:
		into[key] = m.Gauge.GetValue()
	case m.Summary != nil:
		into[key+" sum"], into[key+" count"] = m.Summary.GetSampleSum(), float64(m.Summary.GetSampleCount())
	case m.Histogram != nil:
		into[key+" sum"] = m.Histogram.GetSampleSum()
		into[bucketKey(key, math.Inf(1))] = float64(m.Histogram.GetSampleCount())
		for _, b := range m.Histogram.Bucket {
			into[bucketKey(key, b.GetUpperBound())] = float64(b.GetCumulativeCount())
		}
	}
}

// Property: for any schedule of births, writes, deletions, deaths and folds, any
// of the dead in the archive and any order of the sources, a merge shows what
// the naive model does; of a type and mode about which processes agree or not.
func TestMergeEqualsNaiveModel(t *testing.T) {
	seeds := uint64(600)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 7))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSchedule(t, rng.IntN)
			for range 150 {
				s.step()
			}
			s.merge()
		})
	}
}

// FuzzMerge: the same property for schedules that are read from bytes.
func FuzzMerge(f *testing.F) {
	for seed := range uint64(8) {
		b := make([]byte, 200)
		rng := rand.New(rand.NewPCG(seed, 8))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSchedule(t, func(n int) int {
			if len(b) == 0 {
				return 0
			}
			v := int(b[0]) % n
			b = b[1:]
			return v
		})
		for steps := 0; len(b) > 0 && steps < 300; steps++ {
			s.step()
		}
		s.merge()
	})
}
