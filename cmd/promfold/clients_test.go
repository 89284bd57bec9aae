//go:build unix

package main_test

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
)

// client is a directory that a stock client wrote, and what may differ between
// its own exposition and ours.
type client struct {
	name     string
	expected string
	config   string // --metrics.config, where the files do not tell types
	laws     []law
}

// law is a rule by which a sample may differ. It names the series.
type law struct {
	says string
	of   *regexp.Regexp // of fixture.Series
}

// Laws by which samples differ from what the client prints.
var (
	nanLaw = law{
		"max and min are NaN only if all are: the client's depend on the order of the files",
		regexp.MustCompile(`^fx_gauge_(live)?(max|min) kind="nan_in_`),
	}
	badShareLaw = law{
		"a counter's share that is NaN or infinite costs itself, not the sum",
		regexp.MustCompile(`^fx_special_total kind="(nan_in_b|inf_in_c)"`),
	}
)

var clients = []client{
	{name: "client_python-0.16.0", expected: "expected-sorted.prom", laws: []law{nanLaw, badShareLaw}},
	{name: "client_python-0.25.0", expected: "expected-sorted.prom", laws: []law{nanLaw, badShareLaw}},
	{name: "postmates-0.8.4", expected: "expected-sorted.prom", laws: []law{nanLaw, badShareLaw}},
	{name: "ruby-mmap-0.16.2", expected: "expected.prom", laws: []law{nanLaw, badShareLaw}},
	{name: "client_ruby-4.2.5", expected: "expected.prom", laws: []law{badShareLaw}, config: rubyTypes},
}

// rubyTypes is what the application knows and the files of DirectFileStore do not
// tell.
const rubyTypes = `families:
  fx_requests_total: {type: counter, help: "Help with \"quotes\", back\\slash,\nnewline ü"}
  fx_nolabels: {type: counter, help: "unlabelled: initialised to 0 on creation"}
  fx_special_total: {type: counter, help: special values}
  fx_series_total: {type: counter, help: many series}
  fx_gauge_all: {type: gauge, mode: sum, help: gauge all}
  fx_gauge_sum: {type: gauge, mode: sum, help: gauge sum}
  fx_gauge_max: {type: gauge, mode: max, help: gauge max}
  fx_gauge_min: {type: gauge, mode: min, help: gauge min}
  fx_gauge_most_recent: {type: gauge, mode: latest, help: gauge most_recent}
  fx_latency_seconds: {help: histogram}
  fx_custom: {help: custom buckets}
  fx_size_bytes: {help: summary}
`

// Property: a directory that a stock client wrote is shown as the client's own
// collector shows it: with everything alive, with everything dead but for the
// gauges of the living, and the same after it was archived.
func TestAsClientsShowIt(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := fixture.Unpack(t, c.name)
			want := c.wants(t, dir)
			files := filepath.Join(dir, "files")
			c.check(t, "alive", want, c.dump(t, files, "--assume-alive"))
			c.bury(t, files, want)
			c.check(t, "dead", want, c.dump(t, files))
			c.archive(t, files)
			c.check(t, "archived", want, c.dump(t, files))
			if left, err := filepath.Glob(filepath.Join(files, "*_*")); len(left) > 0 || err != nil {
				t.Errorf("not archived: %q, %v", left, err)
			}
		})
	}
}

// jsonEscapes are those that GitLab's client leaves in label values, where they
// are invalid.
var jsonEscapes = strings.NewReplacer(`\\`, `\\`, `\t`, "\t", `\r`, "\r", `\u0001`, "\x01")

func (c *client) wants(t *testing.T, dir string) fixture.Exposition {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, c.expected))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if strings.HasPrefix(c.name, "ruby-mmap") {
		text = jsonEscapes.Replace(text)
	}
	want := fixture.Parse(t, text)
	// The help of which process is shown is a matter of order to the client.
	b, _ = os.ReadFile(filepath.Join(dir, "order-dependent.txt")) // this client sorts, if there is none
	for _, help := range regexp.MustCompile(`# HELP (\S+)`).FindAllStringSubmatch(string(b), -1) {
		delete(want.Helps, help[1])
	}
	return want
}

func (c *client) dump(t *testing.T, files string, flags ...string) fixture.Exposition {
	t.Helper()
	args := append([]string{"dump", files}, flags...)
	r := run(t, append(args, c.flags(t)...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	return fixture.Parse(t, r.stdout)
}

func (c *client) archive(t *testing.T, files string) {
	t.Helper()
	args := []string{"archive", "--once", "--archive.interval=20ms", "--multiproc.dir=" + files}
	if r := run(t, append(args, c.flags(t)...)...); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
}

func (c *client) flags(t *testing.T) []string {
	t.Helper()
	if c.config == "" {
		return nil
	}
	path := filepath.Join(t.TempDir(), "metrics.yml")
	if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--metrics.config=" + path}
}

// check compares, law by law.
func (c *client) check(t *testing.T, when string, want, got fixture.Exposition) {
	t.Helper()
	for family, typ := range want.Types {
		if got.Types[family] != typ {
			t.Errorf("%s: %s is a %q, want %q", when, family, got.Types[family], typ)
		}
	}
	for family, help := range want.Helps {
		if got.Helps[family] != help {
			t.Errorf("%s: help of %s is %q, want %q", when, family, got.Helps[family], help)
		}
	}
	for key, s := range got.Samples {
		if _, ok := want.Samples[key]; !ok {
			t.Errorf("%s: %s %v is not the client's", when, key, s.Value)
		}
	}
	for key, w := range want.Samples {
		g, ok := got.Samples[key]
		switch {
		case ok && same(g.Value, w.Value) || c.lawful(key):
		case !ok && w.Labels["le"] != "" && unobserved(w, got):
		default:
			t.Errorf("%s: %s is %v (%v), want %v", when, key, g.Value, ok, w.Value)
		}
	}
}

func (c *client) lawful(key string) bool {
	for _, l := range c.laws {
		if l.of.MatchString(key) {
			return true
		}
	}
	return false
}

// same: floats are sums of a few, rounded by us once and by clients at each step.
func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-15*math.Abs(b)
}

// unobserved reports whether a bucket is one below which nothing was observed
// beyond the next lower one: DirectFileStore knows none of those.
func unobserved(bucket fixture.Sample, got fixture.Exposition) bool {
	bound, err := strconv.ParseFloat(bucket.Labels["le"], 64)
	below, count := math.Inf(-1), 0.0
	for _, s := range got.Samples {
		le, notBucket := strconv.ParseFloat(s.Labels["le"], 64)
		if s.Name == bucket.Name && notBucket == nil && sameBut(s.Labels, bucket.Labels, "le") && le < bound && le > below {
			below, count = le, s.Value
		}
	}
	return err == nil && count == bucket.Value
}

func sameBut(a, b map[string]string, name string) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	delete(a, name)
	delete(b, name)
	return maps.Equal(a, b)
}

// pids are the processes in the names of files. No process can have dead + pid.
var pids = regexp.MustCompile(`[1-9][0-9]{4}`)

const dead = "50"

// bury gives the processes pids that nobody can have, and takes out of want what
// death removes.
func (c *client) bury(t *testing.T, files string, want fixture.Exposition) {
	t.Helper()
	entries, err := os.ReadDir(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := pids.ReplaceAllString(e.Name(), dead+"$0")
		if err := os.Rename(filepath.Join(files, e.Name()), filepath.Join(files, name)); err != nil {
			t.Fatal(err)
		}
	}
	isLive := func(name string) bool { return strings.Contains(name, "_live") }
	maps.DeleteFunc(want.Types, func(name, _ string) bool { return isLive(name) })
	maps.DeleteFunc(want.Helps, func(name, _ string) bool { return isLive(name) })
	for key, s := range maps.Clone(want.Samples) {
		delete(want.Samples, key)
		if strings.HasSuffix(files, "client_ruby-4.2.5/files") { // has pids in its keys
			want.Samples[key] = s
		} else if !isLive(s.Name) {
			if pid, ok := s.Labels["pid"]; ok {
				s.Labels["pid"] = pids.ReplaceAllString(pid, dead+"$0")
			}
			want.Samples[fixture.Series(s.Name, s.Labels)] = s
		}
	}
}
