package aggregate_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// second is a moment of the tests' own time, in Unix nanoseconds. Fakes are born
// in the first seconds; merges take place at noon.
func second(n int64) int64 { return (1_700_000_000 + n) * int64(time.Second) }

const noon = 1000

// at makes a clock that stands still.
func at(n int64) func() time.Time {
	return func() time.Time { return time.Unix(0, second(n)) }
}

// fake is a process, as far as a merge can tell. The zero time is second 0.
type fake struct {
	meta   aggregate.Meta
	schema mmapstore.Schema
	words  []uint64
	err    error // of the next Load
}

// process makes a live one, born in the given second, which also is its id.
func process(born int64) *fake {
	f := &fake{schema: mmapstore.Schema{SumWords: 1}}
	f.meta.ID[0], f.meta.ID[1] = byte(born>>8), byte(born)
	f.meta.ID[15] = 1
	f.meta.Identity = "p"
	f.meta.Created = second(born)
	f.meta.State = mmapstore.Alive
	return f
}

func (f *fake) dead() *fake                 { f.meta.State = mmapstore.Dead; return f }
func (f *fake) cannotTell() *fake           { f.meta.State = mmapstore.CannotTell; return f }
func (f *fake) as(identity string) *fake    { f.meta.Identity = identity; return f }
func (f *fake) id() mmapstore.ID            { return f.meta.ID }
func (f *fake) Meta() aggregate.Meta        { return f.meta }
func (f *fake) Schema() mmapstore.Schema    { s := f.schema; return s }
func (f *fake) History() *aggregate.History { return nil }

func (f *fake) Load(dst []uint64) error {
	copy(dst, f.words)
	return f.err
}

// add gives the process a series, created at its birth, and returns its number.
// Labels are written name=value.
func (f *fake) add(family mmapstore.Family, labels string, words ...uint64) int {
	n := slices.IndexFunc(f.schema.Families, func(g mmapstore.Family) bool {
		return g.Name == family.Name && g.Type == family.Type && g.Mode == family.Mode
	})
	if n < 0 {
		n = len(f.schema.Families)
		f.schema.Families = append(f.schema.Families, family)
	}
	f.schema.Series = append(f.schema.Series, mmapstore.Series{
		Family: n, Labels: labelSet(labels), Created: f.meta.Created, Word: len(f.words),
	})
	want := family.WordCount(1)
	f.words = append(append(f.words, words...), make([]uint64, want-len(words))...)
	f.schema.Words = len(f.words)
	return len(f.schema.Series) - 1
}

func labelSet(s string) mmapstore.Labels {
	var pairs []mmapstore.Label
	for pair := range strings.SplitSeq(s, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			pairs = append(pairs, mmapstore.Label{Name: name, Value: value})
		}
	}
	labels, err := mmapstore.EncodeLabels(pairs)
	if err != nil {
		panic(err)
	}
	return labels
}

func float(v float64) uint64 { return math.Float64bits(v) }

// with adds a series and returns the process, for use in tables.
func (f *fake) with(family mmapstore.Family, labels string, words ...uint64) *fake {
	f.add(family, labels, words...)
	return f
}

func (f *fake) counter(name string, whole uint64, fraction float64) *fake {
	return f.with(mmapstore.Family{Name: name, Type: mmapstore.Counter}, "", whole, float(fraction))
}

func (f *fake) histogram(name string, bounds []float64, sum float64, counts ...uint64) *fake {
	words := append([]uint64{float(sum)}, counts...)
	return f.with(mmapstore.Family{Name: name, Type: mmapstore.Histogram, Bounds: bounds}, "", words...)
}

// gauge adds one that is set to value, in the timed modes at the second set.
func (f *fake) gauge(name string, mode mmapstore.Mode, value float64, set ...int64) *fake {
	words := []uint64{1, float(value)}
	for _, n := range set {
		words = append(words, uint64(second(n)))
	}
	return f.with(mmapstore.Family{Name: name, Type: mmapstore.Gauge, Mode: mode}, "", words...)
}

func (f *fake) unset(name string, mode mmapstore.Mode) *fake {
	return f.with(mmapstore.Family{Name: name, Type: mmapstore.Gauge, Mode: mode}, "")
}

// life returns the words of a series' tombstone, making it.
func (f *fake) life(series int) []uint64 {
	for _, t := range f.schema.Tombstones {
		if t.Series == series {
			return f.words[t.Word : t.Word+3]
		}
	}
	f.schema.Tombstones = append(f.schema.Tombstones, mmapstore.Tombstone{Series: series, Word: len(f.words)})
	f.words = append(f.words, make([]uint64, 4)...)
	f.schema.Words = len(f.words)
	return f.words[len(f.words)-4:]
}

// remove deletes a series, resume takes it up again: as mmapstore.Writer does.
func (f *fake) remove(series int, n int64) *fake {
	life := f.life(series)
	life[0], life[2] = life[0]|1, uint64(second(n))
	f.clearGauge(series)
	return f
}

func (f *fake) resume(series int, n int64) {
	life := f.life(series)
	life[0], life[1] = life[0]+1, uint64(second(n))
	f.clearGauge(series)
}

func (f *fake) clearGauge(series int) {
	if s := f.schema.Series[series]; !f.schema.Families[s.Family].Type.Cumulative() {
		f.words[s.Word] = 0
	}
}

func sources(fakes []*fake) []aggregate.Source {
	s := make([]aggregate.Source, len(fakes))
	for i, f := range fakes {
		s[i] = f
	}
	return s
}

// archived folds the fakes to absorb into a, by way of the bytes on disk.
func archived(t testing.TB, a *aggregate.Archive, all []*fake, o aggregate.FoldOptions, absorb ...*fake) *aggregate.Archive {
	t.Helper()
	ids := map[mmapstore.ID]bool{}
	for _, f := range absorb {
		ids[f.id()] = true
	}
	if o.Now == nil {
		o.Now = at(noon)
	}
	next, _, err := aggregate.Fold(a, sources(all), ids, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := aggregate.DecodeArchive(next.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// mergeAll merges the sources from scratch.
func mergeAll(t testing.TB, sources ...aggregate.Source) *aggregate.Result {
	t.Helper()
	return mergeBy(t, aggregate.NewMerger(at(noon)), sources...)
}

func mergeBy(t testing.TB, m *aggregate.Merger, sources ...aggregate.Source) *aggregate.Result {
	t.Helper()
	r, err := m.Merge(sources)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// samples is the exposition without its comments.
func samples(t testing.TB, families []*dto.MetricFamily) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(exposition(t, families)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func exposition(t testing.TB, families []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	e := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
