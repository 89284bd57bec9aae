package worker

import (
	"fmt"
	"log/slog"
	"math"
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// storeIn opens a store with a file of its own, which is checked at the end of
// the test: whatever the test did, the file is whole.
func storeIn(t testing.TB, opts ...Option) *Store {
	t.Helper()
	opts = append([]Option{WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	s, err := New(t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, fault := range mmapstore.Check(s.Path()) {
			t.Error(fault)
		}
	})
	return s
}

// sample is one series as another process finds it in the file.
type sample struct {
	family  mmapstore.Family
	words   []uint64
	deleted bool
}

// value is the total of a counter, the value of a gauge, the sum of others.
func (s sample) value() float64 {
	switch s.family.Type {
	case mmapstore.Counter, mmapstore.Untyped:
		return float64(s.words[0]) + math.Float64frombits(s.words[1])
	case mmapstore.Histogram, mmapstore.Summary:
		return math.Float64frombits(s.words[0])
	default:
		return math.Float64frombits(s.words[1])
	}
}

// readFile is what another process finds in a file, by name and labels.
func readFile(t testing.TB, path string) map[string]sample {
	t.Helper()
	r, err := mmapstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	schema := r.Schema()
	words := make([]uint64, schema.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	gone := make(map[int]bool)
	for _, d := range schema.Tombstones {
		gone[d.Series] = words[d.Word]%2 == 1
	}
	found := make(map[string]sample)
	for i, s := range schema.Series {
		f := schema.Families[s.Family]
		key := f.Name + s.Labels.String()
		if old, ok := found[key]; ok && !old.deleted && !gone[i] {
			key = fmt.Sprintf("%s #%d", key, i)
		}
		n := f.WordCount(schema.SumWords)
		found[key] = sample{f, words[s.Word : s.Word+n], gone[i]}
	}
	return found
}

// inFile is the value of a series in the file of the store. It fails the test if
// it is not there, or deleted.
func inFile(t testing.TB, s *Store, key string) float64 {
	t.Helper()
	got, ok := readFile(t, s.Path())[key]
	if !ok || got.deleted {
		t.Fatalf("%s: not in the file (deleted: %v)", key, got.deleted)
	}
	return got.value()
}

func wantInFile(t testing.TB, s *Store, key string, want float64) {
	t.Helper()
	if got := inFile(t, s, key); got != want {
		t.Errorf("%s in the file is %v, want %v", key, got, want)
	}
}

func wantGone(t testing.TB, s *Store, key string) {
	t.Helper()
	if got, ok := readFile(t, s.Path())[key]; ok && !got.deleted {
		t.Errorf("%s is still in the file: %v", key, got.words)
	}
}
