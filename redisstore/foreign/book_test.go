package foreign_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// store is a book with a merge of its own.
type store struct {
	t      testing.TB
	book   *foreign.Book
	merger *aggregate.Merger
	clock  time.Time
	counts map[string]int // of the last read
	help   foreign.Help
}

func newStore(t testing.TB) *store {
	s := &store{t: t, clock: time.Unix(1_700_000_000, 0)}
	now := func() time.Time { return s.clock }
	s.book, s.merger = foreign.NewBook("test", now), aggregate.NewMerger(now)
	return s
}

// source is a read of the samples.
func (s *store) source(samples ...foreign.Sample) aggregate.Source {
	s.t.Helper()
	s.clock = s.clock.Add(time.Second)
	l := foreign.NewLedger("test", foreigntest.Quiet)
	r := l.Begin()
	table := foreign.NewTable(r)
	for _, sample := range samples {
		table.Add(sample)
	}
	source := s.book.Bind(table, s.help)
	r.Close()
	s.counts = foreigntest.Counts(s.t, l.Collectors())
	return source
}

// shows reads the samples and compares what a merge makes of them.
func (s *store) shows(want map[string]float64, samples ...foreign.Sample) {
	s.t.Helper()
	foreigntest.Equal(s.t, foreigntest.Samples(s.t, foreigntest.Text(s.t, s.merger, s.source(samples...))), want)
}

func counter(name string, v float64) foreign.Sample {
	return foreign.Sample{Family: name, Type: mmapstore.Counter, Value: v}
}

func gauge(name string, v float64) foreign.Sample {
	return foreign.Sample{Family: name, Type: mmapstore.Gauge, Value: v}
}

// part is of a histogram h, or of a summary if there is no bound to it.
func part(typ mmapstore.Type, p foreign.Part, v float64) foreign.Sample {
	return foreign.Sample{Family: "h", Type: typ, Part: p, Value: v}
}

func below(bound string, v float64) foreign.Sample {
	s := part(mmapstore.Histogram, foreign.Bucket, v)
	s.Bound, _ = foreign.ParseBound(bound)
	return s
}

func sumOf(v float64) foreign.Sample   { return part(mmapstore.Histogram, foreign.Sum, v) }
func countOf(v float64) foreign.Sample { return part(mmapstore.Histogram, foreign.Count, v) }

// Property: what counts less than at the read before is shown as it is stored, though a
// merge holds what a source loses: it was reset, or has expired and began anew. Nothing
// else of the source is touched by it.
func TestReset(t *testing.T) {
	s := newStore(t)
	s.shows(map[string]float64{"a": 9, "b": 1}, counter("a", 9), counter("b", 1))
	s.shows(map[string]float64{"a": 2, "b": 1}, counter("a", 2), counter("b", 1))
	s.shows(map[string]float64{"a": 3, "b": 0}, counter("a", 3), counter("b", 0))
	s.shows(map[string]float64{"a": 1, "b": 0, "A": 1}, counter("a", 1), counter("b", 0), counter("A", 1)) // in another place
	s.shows(map[string]float64{"a": 0, "A": 1}, counter("a", 0), counter("A", 1))

	h := func(one, all float64) map[string]float64 {
		return map[string]float64{`h_bucket le="1"`: one, `h_bucket le="+Inf"`: all, "h_count": all, "h_sum": 5}
	}
	s = newStore(t)
	s.shows(h(4, 7), below("1", 4), below("+Inf", 7), sumOf(5), countOf(7))
	s.shows(h(3, 7), below("1", 3), below("+Inf", 7), sumOf(5), countOf(7))
	s.shows(h(3, 6), below("1", 3), below("+Inf", 6), sumOf(5), countOf(6))
	// A merge forgets no bound of a series.
	s.shows(map[string]float64{`h_bucket le="1"`: 0, `h_bucket le="2"`: 1, `h_bucket le="+Inf"`: 1, "h_count": 1, "h_sum": 5}, below("2", 1), below("+Inf", 1), sumOf(5), countOf(1))

	s = newStore(t)
	sum, count := part(mmapstore.Summary, foreign.Sum, 5), part(mmapstore.Summary, foreign.Count, 3)
	s.shows(map[string]float64{"h_sum": 5, "h_count": 3}, sum, count)
	count.Value = 1
	s.shows(map[string]float64{"h_sum": 5, "h_count": 1}, sum, count)
}

// Property: reads that find the same series have one schema, which a merge compiles
// once; others have another version.
func TestSchemaVersions(t *testing.T) {
	s := newStore(t)
	first := s.source(counter("a", 1), below("1", 1)).Schema()
	again := s.source(counter("a", 2), below("1", 3)).Schema()
	if first.Version != again.Version || &first.Series[0] != &again.Series[0] {
		t.Error("the same series came with another schema")
	}
	for i, samples := range [][]foreign.Sample{
		{counter("a", 2), below("1", 3), counter("b", 1)},
		{counter("a", 2), below("1.0", 3), counter("b", 1)}, // spelled otherwise
		{counter("a", 1), below("1.0", 3), counter("b", 1)}, // reset
		{counter("a", 1), below("1.0", 3), counter("c", 1)},
		{},
	} {
		next := s.source(samples...).Schema()
		if next.Version == again.Version {
			t.Errorf("schema %d has the version of the one before", i)
		}
		again = next
	}
}

// Property: the mode of gauges leaves every value as it is, to the bit.
func TestGaugeBits(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), -1.5, 1e300, 5e-324, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff8000000000123)} {
		s := newStore(t)
		r, err := s.merger.Merge([]aggregate.Source{s.source(gauge("g", v))})
		if err != nil || len(r.Families) != 1 || r.Families[0].Values[0] != math.Float64bits(v) {
			t.Errorf("%v became %v, %v", v, r.Families, err)
		}
	}
}

// born is a source that was born at another time.
type born struct {
	aggregate.Source
	at int64
}

func (b born) Meta() aggregate.Meta {
	m := b.Source.Meta()
	m.Created = b.at
	return m
}

// Property: where a process has a family of the same name, its help and type hold, and
// what both count is added up.
func TestProcessGoesFirst(t *testing.T) {
	for _, processLast := range []bool{false, true} {
		s, other := newStore(t), newStore(t)
		other.help = foreign.Help{"a": "Of the process.", "b": "A gauge."}
		sources := []aggregate.Source{s.source(counter("a", 1), counter("b", 1)), born{other.source(counter("a", 2), gauge("b", 5)), 1_600_000_000e9}}
		if processLast {
			slices.Reverse(sources)
		}
		text := foreigntest.Text(t, s.merger, sources...)
		foreigntest.Equal(t, foreigntest.Samples(t, text), map[string]float64{"a": 3, "b": 5})
		if e := fixture.Parse(t, text); e.Helps["a"] != "Of the process." || e.Types["b"] != "gauge" {
			t.Errorf("helps %v, types %v", e.Helps, e.Types)
		}
	}
}

// Property: all reads of a store are of one source, of two stores of two.
func TestIdentity(t *testing.T) {
	s := newStore(t)
	meta := s.source(counter("a", 1)).Meta()
	if meta.Created != 1 || meta.State != mmapstore.Alive {
		t.Errorf("born at %d, %v", meta.Created, meta.State)
	}
	if other := newStore(t).source(counter("a", 1)).Meta(); other.ID == meta.ID {
		t.Error("two stores have one id")
	}
	if again := s.source(counter("b", 1)).Meta(); again.ID != meta.ID {
		t.Error("the next read has another id")
	}
}
