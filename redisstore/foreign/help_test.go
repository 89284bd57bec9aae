package foreign_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// Property: help is by the name of the family or of the metric, as the file has it, and
// the family's name where it has none.
func TestHelp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "help.yml")
	if err := os.WriteFile(path, []byte("jobs: Jobs done.\nexact_total: Exact.\nexact: Not this.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	help, err := foreign.ReadHelp(path)
	if err != nil {
		t.Fatal(err)
	}
	l := foreign.NewLedger("test", foreigntest.Quiet)
	table := foreign.NewTable(l.Begin())
	for _, name := range []string{"jobs_total", "exact_total", "other"} {
		table.Add(counter(name, 1))
	}
	table.Add(gauge("jobs_created", 1))
	source := foreign.NewBook("test", nil).Bind(table, help)
	helps := fixture.Parse(t, foreigntest.Text(t, aggregate.NewMerger(nil), source)).Helps
	for name, want := range map[string]string{
		"jobs_total": "Jobs done.", "jobs_created": "Jobs done.", "exact_total": "Exact.", "other": "other",
	} {
		if helps[name] != want {
			t.Errorf("help of %s is %q, not %q", name, helps[name], want)
		}
	}
	for _, text := range []string{"[a", "a: [b]"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := foreign.ReadHelp(path); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := foreign.ReadHelp(path + "x"); err == nil {
		t.Error("a file that is not there is taken")
	}
}

// Property: numbers are those that Python and Redis write, no others.
func TestNumber(t *testing.T) {
	for text, want := range map[string]float64{
		"1": 1, "-0.0": 0, "1e+300": 1e300, "5e-324": 5e-324, "inf": math.Inf(1), "-inf": math.Inf(-1),
		"+Inf": math.Inf(1), "1000000000000000000000": 1e21, "1e400": math.Inf(1), "1e-400": 0,
	} {
		if v, ok := foreign.Number(text); !ok || v != want {
			t.Errorf("%s is %v, %v", text, v, ok)
		}
	}
	if v, ok := foreign.Number("nan"); !ok || !math.IsNaN(v) {
		t.Errorf("nan is %v, %v", v, ok)
	}
	for _, text := range []string{"", "x", "0x10", "0x1p-2", "1_000", "1 ", "1,5", "True"} {
		if v, ok := foreign.Number(text); ok {
			t.Errorf("%q is %v", text, v)
		}
	}
}
