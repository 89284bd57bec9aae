package aggregate_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
)

// chooser makes choices from bytes, and the first one once they are used up.
type chooser struct{ b []byte }

func (c *chooser) of(n int) int {
	if len(c.b) == 0 {
		return 0
	}
	v := int(c.b[0]) % n
	c.b = c.b[1:]
	return v
}

// specials are floats that spoil sums and orders.
var specials = []float64{nan, math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, math.MaxFloat64, -math.MaxFloat64}

// float is a value whose sums are exact, or now and then a special one.
func (c *chooser) float() float64 {
	if c.of(4) == 0 {
		return specials[c.of(len(specials)-2)]
	}
	return float64(c.of(64)-16) / 8
}

func (c *chooser) count() uint64 {
	return []uint64{0, 1, 2, uint64(c.of(256)), 1 << 53, 1<<53 + 1, math.MaxUint64 - 1, math.MaxUint64}[c.of(8)]
}

// family is one of few names, about whose type, mode, help and bounds the
// processes may disagree.
func (c *chooser) family() mmapstore.Family {
	f := mmapstore.Family{Name: []string{"a", "a", "b", "b", "c", "b_count", "x.y", "x_y"}[c.of(8)], Help: []string{"", "H", "h"}[c.of(3)]}
	kind := map[string]int{"a": 3, "b": 4}[f.Name]
	if c.of(4) == 0 {
		kind = c.of(8)
	}
	switch kind {
	case 0, 1:
		f.Type = mmapstore.Counter
	case 2:
		f.Type = mmapstore.Untyped
	case 3:
		f.Type = mmapstore.Summary
	case 4, 5:
		f.Type = mmapstore.Histogram
		f.Bounds = [][]float64{nil, {1}, {1, 2}, {math.Inf(-1), 0, 2}, {-1, math.MaxFloat64}}[c.of(5)]
		f.Partial = f.Name == "b" // for all: what is whole counts as observed once it is archived
		if c.of(2) == 0 && len(f.Bounds) == 2 && f.Bounds[0] == 1 {
			f.Spelled = []string{"1.0", "2.0"}
		}
	default:
		f.Type, f.Mode = mmapstore.Gauge, mmapstore.All+mmapstore.Mode(c.of(10))
	}
	return f
}

// words are what a process may have in its cells.
func (c *chooser) words(f *mmapstore.Family) []uint64 {
	switch f.Type {
	case mmapstore.Counter, mmapstore.Untyped:
		return []uint64{c.count(), float(c.float())}
	case mmapstore.Summary, mmapstore.Histogram:
		words := []uint64{float(c.float())}
		for range f.WordCount(1) - 1 {
			words = append(words, c.count())
		}
		return words
	}
	words := []uint64{uint64(c.of(3)), float(c.float())}
	if f.Mode.Timed() {
		words = append(words, uint64(second(int64(c.of(4))))) // so that there are ties
	}
	return words
}

// dead is a dead process with some series, each once.
func (c *chooser) dead(born int64) *fake {
	f := process(born).dead().as(fmt.Sprint(c.of(3)))
	seen := make(map[string]bool)
	for range 1 + c.of(5) {
		family := c.family()
		labels := []string{"", "", "", "l=a", "m.n=a", "m_n=a"}[c.of(6)]
		if key := family.Name + " " + labels; !seen[key] && !knows(f, &family) {
			seen[key] = true
			f.add(family, labels, c.words(&family)...)
		}
	}
	return f
}

// knows reports whether the process has the family with another description: a
// file tells one.
func knows(f *fake, family *mmapstore.Family) bool {
	for i := range f.schema.Families {
		if f.schema.Families[i].Name == family.Name {
			return true
		}
	}
	return false
}

// Property: however the dead are divided among archives, and in whatever order
// they are folded and merged, the exposition is that of the files, and valid; an
// archive that was decoded encodes to the same bytes.
func FuzzFold(f *testing.F) {
	for seed := range uint64(12) {
		b := make([]byte, 40+20*seed)
		rng := rand.New(rand.NewPCG(seed, 9))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		foldInGroups(t, &chooser{b})
	})
}

func foldInGroups(t *testing.T, c *chooser) {
	var all, a, b []*fake
	for i := range 2 + c.of(4) {
		f := c.dead(int64(i + 1))
		all = append(all, f)
		if c.of(2) == 0 {
			a = append(a, f)
		} else {
			b = append(b, f)
		}
	}
	shuffle(c.of, all)
	want := exposition(t, mergeAll(t, sources(all)...).Metrics())
	if err := fixture.Valid([]byte(want)); err != nil {
		t.Fatalf("%v:\n%s", err, want)
	}
	fold := func(old *aggregate.Archive, present []*fake, absorb ...*fake) *aggregate.Archive {
		next := archived(t, old, present, aggregate.FoldOptions{}, absorb...)
		again, err := aggregate.DecodeArchive(next.Encode())
		if err != nil || !bytes.Equal(again.Encode(), next.Encode()) {
			t.Fatalf("decoded and encoded again, an archive is another: %v", err)
		}
		return next
	}
	none := aggregate.NewArchive()
	foldA, foldB := fold(none, a, a...), fold(none, b, b...)
	archive := func(a *aggregate.Archive) aggregate.Source { return a.Source("archive", nil) }
	for name, in := range map[string][]aggregate.Source{
		"at once":                {archive(fold(none, all, all...))},
		"a, then b":              {archive(fold(fold(none, all, a...), b, b...))},
		"b, then a":              {archive(fold(fold(none, all, b...), a, a...))},
		"a in the archive":       append(sources(b), archive(foldA)),
		"b in the archive":       append([]aggregate.Source{archive(foldB)}, sources(a)...),
		"an archive for each":    {archive(foldA), archive(foldB)},
		"the same, other order":  {archive(foldB), archive(foldA)},
		"and folded once more":   {archive(fold(fold(foldA, b, b...), nil))},
		"in the order of births": sources(append(append([]*fake{}, a...), b...)),
	} {
		if got := exposition(t, mergeAll(t, in...).Metrics()); got != want {
			t.Fatalf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// Property: as FuzzFold, for some hundred divisions.
func TestFoldInGroups(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 100
	}
	for seed := range seeds {
		b := make([]byte, 200)
		rng := rand.New(rand.NewPCG(seed, 10))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		foldInGroups(t, &chooser{b})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
