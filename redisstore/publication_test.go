package redisstore

import (
	"errors"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// sample is a record with a counter and a gauge of a process.
func sample(t testing.TB) *aggregate.Archive {
	t.Helper()
	a := aggregate.NewArchive()
	for i, f := range []mmapstore.Family{
		{Name: "jobs_total", Help: "Jobs.", Type: mmapstore.Counter}, {Name: "busy", Type: mmapstore.Gauge, Mode: mmapstore.All},
	} {
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "host", Value: "own"}, {Name: "pid", Value: "1"}})
		if err != nil {
			t.Fatal(err)
		}
		a.Schema.Families = append(a.Schema.Families, f)
		a.Schema.Series = append(a.Schema.Series, mmapstore.Series{Family: i, Labels: labels, Created: 1, Word: a.Schema.Words})
		a.Schema.Words += f.WordCount(2)
		a.History.Families = append(a.History.Families, 1)
		a.History.Series = append(a.History.Series, aggregate.Past{Newest: 1})
	}
	for i := range a.Schema.Words {
		a.Words = append(a.Words, math.Float64bits(float64(i+1)))
	}
	return a
}

// Property: a publication is read as the record that it was made of; records of one layout
// have one digest, whatever their values.
func TestPublicationRoundTrip(t *testing.T) {
	t.Parallel()
	a := sample(t)
	digest, schema := mustEncode(a)
	b, err := (&publication{digest: digest, schema: schema, values: encodeValues(a.Words)}).decode()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Words, a.Words) || len(b.Schema.Series) != len(a.Schema.Series) || b.Schema.Series[1].Labels != a.Schema.Series[1].Labels {
		t.Errorf("%+v became %+v", a, b)
	}
	if words, err := decodeValues(encodeValues(nil), 0); err != nil || len(words) != 0 {
		t.Errorf("no words became %v, %v", words, err)
	}
	other := sample(t)
	other.Words[0]++
	if d, _ := mustEncode(other); d != digest {
		t.Error("other values make another digest")
	}
	other.Schema.Families[0].Help = "Other."
	if d, _ := mustEncode(other); d == digest {
		t.Error("another help makes no other digest")
	}
}

// Property: any bytes in place of schema and values are an error or a record of so many words,
// and take away nothing of what a host is known for.
func FuzzTake(f *testing.F) {
	a := sample(f)
	digest, schema := mustEncode(a)
	values := encodeValues(a.Words)
	f.Add("1", "other", schema, values)
	f.Add("18446744073709551615", digest, []byte(nil), values)
	f.Add("", "", []byte("x"), []byte("y"))
	f.Add("2", "other", schema[:len(schema)/2], values[:len(values)/2])
	f.Add("2", "other", compress(nil), compress(nil))
	f.Add("2", "other", compress(aggregate.NewArchive().Encode()), compress(nil))
	f.Fuzz(func(t *testing.T, seq, d string, schema, values []byte) {
		for _, byHost := range []bool{false, true} {
			r := &Reader{o: ReaderOptions{ByHost: byHost}, log: slog.New(slog.DiscardHandler)}
			h := &host{id: mmapstore.NewID(), entry: entry{name: "h"}}
			if err := h.take(1, publication{digest: digest, schema: slices.Clone(schema0(a)), values: encodeValues(a.Words)}, byHost); err != nil {
				t.Fatal(err)
			}
			before := *h
			if err := r.takeHost(h, []any{seq, d, string(values), string(schema)}); err != nil {
				if h.record != before.record || h.seq != before.seq || h.as != before.as {
					t.Fatalf("%v, and it took something", err)
				}
				continue
			}
			if len(h.record.Words) != h.record.Schema.Words {
				t.Fatalf("%d words for a schema of %d", len(h.record.Words), h.record.Schema.Words)
			}
			_, _ = aggregate.NewMerger(nil).Merge([]aggregate.Source{h.source(mmapstore.Alive, keysOf("n"), nil)})
		}
	})
}

func schema0(a *aggregate.Archive) []byte {
	_, schema := mustEncode(a)
	return schema
}

// Property: bytes that would decompress to more than the schema has words for are refused
// before they do.
func TestBombIsRefused(t *testing.T) {
	bomb := compress(make([]byte, 128<<20))
	if len(bomb) > 64<<10 {
		t.Fatalf("%d bytes are no bomb", len(bomb))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeValues(bomb, 10)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, mmapstore.ErrMalformed) && !errors.Is(err, mmapstore.ErrChecksum) {
		t.Errorf("a bomb: %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// Property: so are values in several frames, or in one that does not tell its size.
func TestBombInDisguise(t *testing.T) {
	first := compress(make([]byte, 80))
	bomb := slices.Concat(first, compress(make([]byte, 128<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeValues(bomb, 10)
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("a bomb behind values is taken")
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func mustEncode(a *aggregate.Archive) (digest string, schema []byte) {
	digest, schema, err := encodeSchema(a)
	if err != nil {
		panic(err)
	}
	return digest, schema
}
