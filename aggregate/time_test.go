package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// steppingClock is a machine's: it goes on with what happens, and steps.
type steppingClock struct {
	wall int64 // seconds
}

func (c *steppingClock) now() time.Time { return time.Unix(0, second(c.wall)) }

// reader is a process that merges: its own witness of each source.
type reader struct {
	merger    *aggregate.Merger
	witnesses map[mmapstore.ID]*aggregate.Witness
}

// watched is a source as one reader has it open.
type watched struct {
	*fake
	w *aggregate.Witness
}

func (s watched) Meta() aggregate.Meta {
	meta := s.fake.Meta()
	meta.Witness = s.w
	return meta
}

func (r *reader) open(fakes []*fake) []aggregate.Source {
	all := make([]aggregate.Source, len(fakes))
	for i, f := range fakes {
		w := r.witnesses[f.id()]
		if w == nil {
			w = new(aggregate.Witness)
			r.witnesses[f.id()] = w
		}
		all[i] = watched{f, w}
	}
	return all
}

// steps is a run of processes on a machine whose clock steps by an hour. It knows
// the order in which things truly happened.
type steps struct {
	t      *testing.T
	rng    *rand.Rand
	clock  steppingClock
	files  []*fake
	births int64
	old    *aggregate.Archive    // of the archiver, whose process is that of readers[0]
	also   *aggregate.Archive    // the same, read by readers[1]
	next   [2]*aggregate.Archive // written, and not read yet
	reader [2]*reader

	stepped bool  // since the last look
	fresh   bool  // a gauge was set for the first time since the last look
	excused int64 // sets up to this number are not checked at readers[1]
	sets    int64
	truth   map[string]map[*fake]set // by gauge and owner
	counted float64
	shown   [2]float64
}

// set is the last that a process made of a gauge.
type set struct {
	number int64
	value  float64
}

func newSteps(t *testing.T, seed uint64) *steps {
	s := &steps{t: t, rng: rand.New(rand.NewPCG(seed, 9)), clock: steppingClock{10_000}, truth: map[string]map[*fake]set{}}
	for i := range s.reader {
		s.reader[i] = &reader{merger: aggregate.NewMerger(s.clock.now), witnesses: map[mmapstore.ID]*aggregate.Witness{}}
	}
	s.old, s.also = aggregate.NewArchive(), aggregate.NewArchive()
	return s
}

func (s *steps) step() {
	s.fresh = false
	s.maybeStep()
	switch n := s.rng.IntN(20); {
	case n < 3 && len(s.files) < 8:
		s.births++
		f := process(s.clock.wall).as(fmt.Sprint(s.births))
		f.meta.ID[2], f.meta.ID[3] = byte(s.births), byte(s.births>>8)
		f.counter("c", 0, 0)
		s.files = append(s.files, f)
		s.writeTo(f)
	case n < 5 && len(s.files) > 0:
		s.files[s.rng.IntN(len(s.files))].dead()
	case n < 8:
		s.archive()
	default:
		s.write()
	}
	if !s.fresh {
		s.maybeStep()
	}
	s.scrape()
}

func (s *steps) maybeStep() {
	s.clock.wall += 1 + s.rng.Int64N(20)
	if s.rng.IntN(8) == 0 {
		s.clock.wall += 3600 * int64(s.rng.IntN(3)-1)
		s.stepped = true
	}
}

func (s *steps) archives() [2]**aggregate.Archive { return [2]**aggregate.Archive{&s.old, &s.also} }

// write sets a gauge of a live process, and counts.
func (s *steps) write() {
	live := slices.DeleteFunc(slices.Clone(s.files), func(f *fake) bool { return f.meta.State == mmapstore.Dead })
	if len(live) == 0 {
		return
	}
	s.writeTo(live[s.rng.IntN(len(live))])
}

func (s *steps) writeTo(f *fake) {
	f.words[0]++
	s.counted++
	mode := []mmapstore.Mode{mmapstore.Latest, mmapstore.LiveLatest}[s.rng.IntN(2)]
	s.sets++
	name, value := "g_"+mode.String(), float64(s.rng.IntN(1000))
	family := mmapstore.Family{Name: name, Type: mmapstore.Gauge, Mode: mode}
	i := slices.IndexFunc(f.schema.Series, func(o mmapstore.Series) bool { return f.schema.Families[o.Family].Name == name })
	if i < 0 {
		i, s.fresh = f.add(family, ""), true
	}
	copy(f.words[f.schema.Series[i].Word:], []uint64{1, float(value), uint64(s.clock.now().UnixNano())})
	if s.truth[name] == nil {
		s.truth[name] = map[*fake]set{}
	}
	s.truth[name][f] = set{s.sets, value}
}

// archive folds some of the dead, by what readers[0] has witnessed.
func (s *steps) archive() {
	absorb := map[mmapstore.ID]bool{}
	all := s.reader[0].open(s.files)
	s.files = slices.DeleteFunc(s.files, func(f *fake) bool {
		gone := f.meta.State == mmapstore.Dead && s.rng.IntN(3) > 0
		if gone {
			absorb[f.id()] = true
		}
		return gone
	})
	if len(absorb) == 0 {
		return
	}
	next, _, err := aggregate.Fold(s.old, all, absorb, aggregate.FoldOptions{Now: s.clock.now})
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range s.next {
		read, err := aggregate.DecodeArchive(next.Encode())
		if err != nil {
			s.t.Fatal(err)
		}
		s.next[i] = read
	}
}

// want is the value of the newest set, in true order.
func (s *steps) want(name string) (value float64, newest int64, ok bool) {
	for f, set := range s.truth[name] {
		if name == "g_livelatest" && f.meta.State == mmapstore.Dead {
			continue
		}
		if set.number > newest {
			newest, value, ok = set.number, set.value, true
		}
	}
	return value, newest, ok
}

func (s *steps) scrape() {
	if s.stepped && s.next[1] != nil {
		s.excused = s.sets
	}
	s.stepped = false
	for i, r := range s.reader {
		if n := s.next[i]; n != nil { // found by this scan
			n.Succeed(*s.archives()[i], s.clock.now())
			*s.archives()[i], s.next[i] = n, nil
		}
		archive := *s.archives()[i]
		all := append(r.open(s.files), archive.Source("archive", nil))
		shuffle(s.rng.IntN, all)
		got := map[string]float64{}
		for _, f := range mergeBy(s.t, r.merger, all...).Metrics() {
			for _, metric := range f.Metric {
				flatten(f, metric, got)
			}
		}
		for _, name := range []string{"g_latest", "g_livelatest"} {
			want, number, ok := s.want(name)
			if i == 1 && number <= s.excused {
				continue
			}
			if v, shows := got[name+"{"]; shows != ok || v != want {
				s.t.Fatalf("reader %d at %d: %s is %v (shown: %v), want %v (%v)", i, s.clock.wall, name, v, shows, want, ok)
			}
		}
		if v := got["c{"]; v != s.counted || v < s.shown[i] {
			s.t.Fatalf("reader %d at %d: counted %v, shows %v after %v", i, s.clock.wall, s.counted, v, s.shown[i])
		}
		s.shown[i] = got["c{"]
	}
}

// Property: to a reader that has looked between each set and the next, the set
// that was made last is the latest, whatever the clock says, and however often it
// steps by an hour, if not to and fro around the first set of a gauge; whether the processes live, are dead or archived. Counters are
// exact all along. A reader in another process than the archiver may be wrong
// about sets from before an archive that was made while the clock stepped, until
// the gauge is set again.
func TestLatestUnderClockSteps(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSteps(t, seed)
			for range 300 {
				s.step()
			}
		})
	}
}

// Property: a gauge that was set while the clock was an hour ahead loses to the next
// set by a right clock, at once and when its time comes, live or archived; a reader
// that did not see it before takes it for set just now.
func TestSetFromTheFutureDoesNotStay(t *testing.T) {
	clock := steppingClock{noon}
	ahead := process(1).gauge("g", mmapstore.Latest, 1, noon+3600)
	right := process(2).gauge("g", mmapstore.Latest, 2, noon-10)
	r := reader{merger: aggregate.NewMerger(clock.now), witnesses: map[mmapstore.ID]*aggregate.Witness{}}
	archive := aggregate.NewArchive()
	shows := func(want string) {
		t.Helper()
		all := append(r.open([]*fake{ahead, right}), archive.Source("archive", nil))
		if got := samples(t, mergeBy(t, r.merger, all...).Metrics()); got != want {
			t.Errorf("at %d: %s, want %s", clock.wall, got, want)
		}
	}
	shows("g 1")
	clock.wall += 5
	right.words[1], right.words[2] = float(3), uint64(second(clock.wall-1))
	shows("g 3")
	if got := samples(t, mergeBy(t, aggregate.NewMerger(clock.now), ahead, right).Metrics()); got != "g 1" {
		t.Errorf("to a new reader: %s", got)
	}
	clock.wall += 4000
	shows("g 3")
	next, _, err := aggregate.Fold(archive, r.open([]*fake{ahead.dead(), right}), map[mmapstore.ID]bool{ahead.id(): true}, aggregate.FoldOptions{Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if got := samples(t, mergeAll(t, next.Source("archive", nil), right).Metrics()); got != "g 3" {
		t.Errorf("archived: %s", got)
	}
}

// Property: a series that says it was created later than it was first shown has no
// created timestamp, then or later: Prometheus would take that for a reset.
func TestCreationFromTheFutureIsNotTold(t *testing.T) {
	clock := steppingClock{noon}
	p := process(noon+3600).counter("c", 5, 0)
	m := aggregate.NewMerger(clock.now)
	for range 2 {
		if at := mergeBy(t, m, p).Metrics()[0].Metric[0].Counter.CreatedTimestamp; at != nil {
			t.Errorf("at %d created %v", clock.wall, at.AsTime())
		}
		clock.wall += 4000
	}
}

// Property: what a step of the clock does to created timestamps and times of merges
// does not make the guard forget what was shown.
func TestGuardOutlivesClockSteps(t *testing.T) {
	for name, walls := range map[string][]int64{
		"back and forth": {noon, noon - 3600, noon + 10, noon + 20},
		"forth and back": {noon, noon + 3600, noon + 10, noon + 20},
		"created ahead":  {noon - 7200, noon - 7190, noon - 7180, noon - 7170},
	} {
		clock := steppingClock{}
		m := aggregate.NewMerger(clock.now)
		p := process(noon-100).counter("c", 10, 0)
		for _, clock.wall = range walls {
			if got := samples(t, mergeBy(t, m, p).Metrics()); got != "c 10" {
				t.Errorf("%s: at %d %s", name, clock.wall, got)
			}
			p.words[0] = 9 // somebody broke it
		}
	}
}

// Property: a gauge of a dead process is kept for its ten minutes, not for an hour
// more, if the clock steps back by an hour after it was archived.
func TestDeadGaugeIsNotKeptByAStepBack(t *testing.T) {
	o := func(n int64) aggregate.FoldOptions { return aggregate.FoldOptions{Now: at(n)} }
	p := process(1).gauge("g", mmapstore.All, 1).dead()
	a := archived(t, aggregate.NewArchive(), []*fake{p}, o(noon), p)
	back := int64(noon - 3600)
	if !a.Expires(o(back)) {
		t.Fatal("nothing to write down after the step")
	}
	a = archived(t, a, nil, o(back))
	if a.Expires(o(back + 500)) {
		t.Error("leaves early")
	}
	if !a.Expires(o(back + 700)) {
		t.Error("stays")
	}
}

// Property: when the clock goes back between a commit and the first look at the
// archive, what is archived goes back with the rest.
func TestStepBackAfterACommit(t *testing.T) {
	clock := steppingClock{noon}
	died := process(1).gauge("g", mmapstore.Latest, 1, noon-100)
	lives := process(2).gauge("g", mmapstore.Latest, 2, noon-50)
	r := reader{merger: aggregate.NewMerger(clock.now), witnesses: map[mmapstore.ID]*aggregate.Witness{}}
	mergeBy(t, r.merger, r.open([]*fake{died, lives})...)
	archive, _, err := aggregate.Fold(aggregate.NewArchive(), r.open([]*fake{died.dead(), lives}),
		map[mmapstore.ID]bool{died.id(): true}, aggregate.FoldOptions{Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	clock.wall -= 3600
	all := append(r.open([]*fake{lives}), archive.Source("archive", nil))
	if got := samples(t, mergeBy(t, r.merger, all...).Metrics()); got != "g 2" {
		t.Errorf("%s, set later than what is archived", got)
	}
}
