package pydb

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/internal/fixture/naive"
	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/mmapstore/stock"
)

// clients are the sample directories, what they print of them, and what is known
// of them besides.
var clients = []struct {
	name, expected string
	help           string // of one family
	newest         int    // gauges of a timed mode
	unset          bool   // those that were never set are among them
}{
	{"client_python-0.16.0", "expected-sorted.prom", helped, 0, false},
	{"client_python-0.25.0", "expected-sorted.prom", helped, 15, false},
	{"postmates-0.8.4", "expected-sorted.prom", "Multiprocess metric", 15, true},
	{"ruby-mmap-0.16.2", "expected.prom", "Multiprocess metric", 0, false},
}

const helped = "Help with \"quotes\", back\\slash,\nnewline and unicode ü😀"

// Property: of each sample directory, what is read amounts to what the client
// itself prints of it. The checks say which part of that they hold.
func TestSampleDirectories(t *testing.T) {
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			dir := fixture.Unpack(t, client.name)
			files := directory(t, filepath.Join(dir, "files"))
			expected := fixture.Samples(t, filepath.Join(dir, client.expected))
			checkCumulative(t, files, expected)
			checkPerProcess(t, filepath.Join(dir, "files"), files, expected)
			checkMostRecent(t, files, expected, client.newest, client.unset)
			checkHelp(t, files, client.help)
		})
	}
}

func open(t testing.TB, path, base string) *stock.Reader {
	t.Helper()
	r, err := Open(path, base, stock.Options{})
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

// directory reads all files of one, in the order of their names.
func directory(t *testing.T, dir string) map[string][]naive.Sample {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]naive.Sample)
	for _, e := range entries {
		if !IsFileName(e.Name()) {
			t.Errorf("%s is not ours", e.Name())
			continue
		}
		r := open(t, filepath.Join(dir, e.Name()), e.Name())
		if err := r.Refresh(); err != nil {
			t.Error(err)
		}
		if r.Empty() {
			t.Errorf("%s is empty", e.Name())
		}
		files[e.Name()] = contents(t, r)
	}
	return files
}

// Counters, histograms and summaries of a directory, added up, are what the client
// prints of it, each and every one.
func checkCumulative(t *testing.T, files map[string][]naive.Sample, expected map[string]float64) {
	var samples []naive.Sample
	for _, file := range sortedNames(files) {
		for _, s := range files[file] {
			if s.Family.Type.Cumulative() {
				samples = append(samples, s)
			}
		}
	}
	got := naive.Total(samples)
	checked := 0
	for key, want := range expected {
		if strings.Contains(key, "gauge") || strings.Contains(key, "_all") || strings.Contains(key, "pidlabel") ||
			strings.Contains(key, "_live") || strings.Contains(key, "nolabel_") && !strings.Contains(key, "summary") ||
			passedThrough(key) {
			continue
		}
		checked++
		if v, ok := got[key]; !ok || !same(v, want) {
			t.Errorf("%s is %v (%v), want %v", key, v, ok, want)
		}
	}
	for key := range got {
		if _, ok := expected[key]; !ok && !strings.ContainsAny(key, "\t\r\x01\\") {
			t.Errorf("%s is not expected", key)
		}
	}
	if checked < 200 {
		t.Errorf("%d samples are expected", checked)
	}
}

// passedThrough tells the labels whose escapes GitLab's client does not decode.
func passedThrough(key string) bool {
	return strings.Contains(key, "tab") || strings.Contains(key, "soh")
}

// same leaves what rounding leaves when one adds in another order.
func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12*math.Abs(b)
}

func sortedNames(files map[string][]naive.Sample) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A gauge of mode all or liveall is what the client prints for the identity of its
// file, and it prints no others.
func checkPerProcess(t *testing.T, dir string, files map[string][]naive.Sample, expected map[string]float64) {
	got := make(map[string]float64)
	for _, file := range sortedNames(files) { // the last of an identity counts
		r := open(t, filepath.Join(dir, file), file)
		if err := r.Refresh(); err != nil {
			t.Fatal(err)
		}
		for _, s := range files[file] {
			if !s.Family.Mode.PerProcess() {
				continue
			}
			labels := maps.Clone(s.Labels)
			labels["pid"] = r.Identity()
			got[fixture.Series(s.Name, labels)] = s.Value
		}
	}
	checked := 0
	for key, want := range expected {
		if !strings.Contains(key, " pid=") || passedThrough(key) {
			continue
		}
		checked++
		if v, ok := got[key]; !ok || !same(v, want) {
			t.Errorf("%s is %v (%v), want %v", key, v, ok, want)
		}
		delete(got, key)
	}
	for key := range got {
		if !strings.ContainsAny(key, "\t\\") {
			t.Errorf("%s is not expected", key)
		}
	}
	if checked < 80 {
		t.Errorf("%d gauges are expected", checked)
	}
}

// Of the gauges in a timed mode, the newest that was set is what the client prints;
// what was never set, client_python does not print, and postmates does.
func checkMostRecent(t *testing.T, files map[string][]naive.Sample, expected map[string]float64, atLeast int, never bool) {
	newest := make(map[string]naive.Sample)
	for _, samples := range files {
		for _, s := range samples {
			key := fixture.Series(s.Name, s.Labels)
			if old, ok := newest[key]; s.Family.Mode.Timed() && s.Set && (!ok || s.Time > old.Time) {
				newest[key] = s
			}
		}
	}
	unset := 0
	for key, s := range newest {
		if v, ok := expected[key]; !ok || !same(v, s.Value) {
			t.Errorf("%s is %v, want %v (%v)", key, s.Value, v, ok)
		}
		if strings.Contains(key, "neverset") {
			unset++
		}
	}
	if len(newest) < atLeast || (unset > 0) != never {
		t.Errorf("%d gauges, %d never set", len(newest), unset)
	}
}

// The help is the client's, and where it tells none, what it prints.
func checkHelp(t *testing.T, files map[string][]naive.Sample, want string) {
	for file, samples := range files {
		for _, s := range samples {
			if s.Family.Name == "fx_requests_total" && (s.Family.Help != want || s.Family.Type != mmapstore.Counter) {
				t.Errorf("%s: help %q of a %v", file, s.Family.Help, s.Family.Type)
			}
		}
	}
}
