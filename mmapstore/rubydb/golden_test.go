package rubydb

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/fixture/naive"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

func open(t testing.TB, path, base string, o mmapstore.Overrides) *stock.Reader {
	t.Helper()
	r, err := Open(path, base, stock.Options{Overrides: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// contents is all that a reader says now.
func contents(t testing.TB, r *stock.Reader) []naive.Sample {
	t.Helper()
	s := r.Schema()
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	return naive.Samples(s, words)
}

func directory(t *testing.T, dir string, o mmapstore.Overrides) (samples []naive.Sample) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !IsFileName(e.Name()) {
			t.Errorf("%s is not ours", e.Name())
			continue
		}
		r := open(t, filepath.Join(dir, e.Name()), e.Name(), o)
		if err := r.Refresh(); err != nil {
			t.Error(err)
		}
		if want := e.Name()[len(e.Name())-9 : len(e.Name())-4]; r.Identity() != want || r.PID() < 23000 {
			t.Errorf("%s is of %s, %d", e.Name(), r.Identity(), r.PID())
		}
		samples = append(samples, contents(t, r)...)
	}
	return samples
}

func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12*math.Abs(b)
}

// Property: what the client adds up, histograms and summaries among it, is what it
// prints, without a word about types from anybody.
func TestSumsAreTheClients(t *testing.T) {
	dir := fixture.Unpack(t, "client_ruby-4.2.5")
	samples := directory(t, filepath.Join(dir, "files"), nil)
	got := naive.Total(samples)
	checked := 0
	for key, want := range fixture.Samples(t, filepath.Join(dir, "expected.prom")) {
		if strings.Contains(key, "_max") || strings.Contains(key, "_min") || strings.Contains(key, "recent") {
			continue
		}
		checked++
		v, ok := got[key]
		if _, rest, bucket := strings.Cut(key, ` le="`); bucket && !ok {
			v, ok = below(samples, key, rest), true // a bound that no process has met
		}
		if !ok || !same(v, want) {
			t.Errorf("%s is %v (%v), want %v", key, v, ok, want)
		}
	}
	if checked < 350 {
		t.Errorf("%d samples are expected", checked)
	}
	for _, s := range samples {
		want := mmapstore.Untyped
		switch {
		case strings.HasPrefix(s.Name, "fx_latency") || strings.HasPrefix(s.Name, "fx_custom"):
			want = mmapstore.Histogram
		case strings.HasPrefix(s.Name, "fx_size"):
			want = mmapstore.Summary
		}
		if s.Family.Type != want || s.Family.Partial != (want == mmapstore.Histogram) {
			t.Fatalf("%s is a %v, partial: %v", s.Name, s.Family.Type, s.Family.Partial)
		}
	}
}

// below adds up the buckets of a series up to the bound that key has, which begins
// rest.
func below(samples []naive.Sample, key, rest string) (sum float64) {
	text, _, _ := strings.Cut(rest, `"`)
	bound, _ := strconv.ParseFloat(text, 64)
	for _, s := range samples {
		if s.Bucket && s.Le <= bound && fixture.Series(s.Name, naive.WithBound(s.Labels, bound)) == key {
			sum += s.Value
		}
	}
	return sum
}

// Property: with its modes told, the newest value of a gauge is the client's.
func TestNewestIsTheClients(t *testing.T) {
	dir := fixture.Unpack(t, "client_ruby-4.2.5")
	o := mmapstore.Overrides{"fx_gauge_most_recent": {Mode: mmapstore.Latest}}
	newest := make(map[string]naive.Sample)
	for _, s := range directory(t, filepath.Join(dir, "files"), o) {
		key := fixture.Series(s.Name, s.Labels)
		if old, ok := newest[key]; s.Family.Mode == mmapstore.Latest && s.Set && (!ok || s.Time > old.Time) {
			newest[key] = s
		}
	}
	expected := fixture.Samples(t, filepath.Join(dir, "expected.prom"))
	for key, s := range newest {
		if v, ok := expected[key]; !ok || !same(v, s.Value) {
			t.Errorf("%s is %v, want %v (%v)", key, s.Value, v, ok)
		}
	}
	if len(newest) < 12 {
		t.Errorf("%d gauges", len(newest))
	}
}
