package pydb

import (
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

// clients are the sample directories, and what they print of them.
var clients = []struct{ name, expected string }{
	{"client_python-0.16.0", "expected-sorted.prom"},
	{"client_python-0.25.0", "expected-sorted.prom"},
	{"postmates-0.8.4", "expected-sorted.prom"},
	{"ruby-mmap-0.16.2", "expected.prom"},
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

// Property: counters, histograms and summaries of a directory, added up, are what
// the client itself prints of it, each and every one.
func TestCumulativeSamplesAreTheClients(t *testing.T) {
	for _, client := range clients {
		dir := fixture.Unpack(t, client.name)
		files := directory(t, filepath.Join(dir, "files"))
		var samples []naive.Sample
		for _, file := range sortedNames(files) {
			for _, s := range files[file] {
				if s.Family.Type.Cumulative() {
					samples = append(samples, s)
				}
			}
		}
		got := naive.Total(samples)
		expected := fixture.Samples(t, filepath.Join(dir, client.expected))
		checked := 0
		for key, want := range expected {
			if strings.Contains(key, "gauge") || strings.Contains(key, "_all") || strings.Contains(key, "pidlabel") || strings.Contains(key, "_live") ||
				strings.Contains(key, "nolabel_") && !strings.Contains(key, "summary") ||
				passedThrough(key) {
				continue
			}
			checked++
			if v, ok := got[key]; !ok || !same(v, want) {
				t.Errorf("%s: %s is %v (%v), want %v", client.name, key, v, ok, want)
			}
		}
		for key := range got {
			if _, ok := expected[key]; !ok && !strings.ContainsAny(key, "\t\r\x01\\") {
				t.Errorf("%s: %s is not expected", client.name, key)
			}
		}
		if checked < 200 {
			t.Errorf("%s: %d samples are expected", client.name, checked)
		}
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

// Property: a gauge of mode all or liveall is what the client prints for the
// identity of its file, and it prints no others.
func TestPerProcessGaugesAreTheClients(t *testing.T) {
	for _, client := range clients {
		dir := fixture.Unpack(t, client.name)
		got := make(map[string]float64)
		files := directory(t, filepath.Join(dir, "files"))
		for _, file := range sortedNames(files) { // the last of an identity counts
			r := open(t, filepath.Join(dir, "files", file), file)
			if err := r.Refresh(); err != nil {
				t.Fatal(err)
			}
			for _, s := range files[file] {
				if !s.Family.Mode.PerProcess() {
					continue
				}
				s.Labels["pid"] = r.Identity()
				got[fixture.Series(s.Name, s.Labels)] = s.Value
			}
		}
		checked := 0
		for key, want := range fixture.Samples(t, filepath.Join(dir, client.expected)) {
			if !strings.Contains(key, " pid=") || passedThrough(key) {
				continue
			}
			checked++
			if v, ok := got[key]; !ok || !same(v, want) {
				t.Errorf("%s: %s is %v (%v), want %v", client.name, key, v, ok, want)
			}
			delete(got, key)
		}
		for key := range got {
			if !strings.ContainsAny(key, "\t\\") {
				t.Errorf("%s: %s is not expected", client.name, key)
			}
		}
		if checked < 80 {
			t.Errorf("%s: %d gauges are expected", client.name, checked)
		}
	}
}

// Property: of the gauges in the mode mostrecent, the newest that was set is what
// the client prints; what was never set, it does not print.
func TestMostRecentGaugesAreTheClients(t *testing.T) {
	for client, never := range map[string]bool{"client_python-0.25.0": false, "postmates-0.8.4": true} {
		dir := fixture.Unpack(t, client)
		newest := make(map[string]naive.Sample)
		for _, samples := range directory(t, filepath.Join(dir, "files")) {
			for _, s := range samples {
				key := fixture.Series(s.Name, s.Labels)
				if old, ok := newest[key]; s.Family.Mode.Timed() && s.Set && (!ok || s.Time > old.Time) {
					newest[key] = s
				}
			}
		}
		expected := fixture.Samples(t, filepath.Join(dir, "expected-sorted.prom"))
		unset := 0
		for key, s := range newest {
			if v, ok := expected[key]; !ok || !same(v, s.Value) {
				t.Errorf("%s: %s is %v, want %v (%v)", client, key, s.Value, v, ok)
			}
			if strings.Contains(key, "neverset") {
				unset++
			}
		}
		if len(newest) < 15 || (unset > 0) != never {
			t.Errorf("%s: %d gauges, %d never set", client, len(newest), unset)
		}
	}
}

// Property: the help is the client's, and where it tells none, what it prints.
func TestHelpIsTheClients(t *testing.T) {
	for client, want := range map[string]string{
		"client_python-0.16.0": "Help with \"quotes\", back\\slash,\nnewline and unicode ü😀",
		"client_python-0.25.0": "Help with \"quotes\", back\\slash,\nnewline and unicode ü😀",
		"postmates-0.8.4":      "Multiprocess metric",
		"ruby-mmap-0.16.2":     "Multiprocess metric",
	} {
		dir := fixture.Unpack(t, client)
		for file, samples := range directory(t, filepath.Join(dir, "files")) {
			for _, s := range samples {
				if s.Family.Name == "fx_requests_total" && (s.Family.Help != want || s.Family.Type != mmapstore.Counter) {
					t.Errorf("%s: %s: help %q of a %v", client, file, s.Family.Help, s.Family.Type)
				}
			}
		}
	}
}
