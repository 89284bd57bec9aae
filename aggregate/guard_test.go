package aggregate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// Property: a source that cannot be read counts with its last good values, and
// its error names it; one that could never be read costs its own share alone.
func TestUnreadableSource(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	f, other := process(1).counter("c", 5, 0), process(2).counter("c", 1, 0)
	f.meta.Name = "one.pfm"
	mergeBy(t, m, f, other)
	f.words[0], f.err = 0, mmapstore.ErrTruncated
	other.words[0]++
	r, err := m.Merge([]aggregate.Source{f, other})
	if !errors.Is(err, mmapstore.ErrTruncated) || !strings.Contains(err.Error(), "one.pfm") {
		t.Errorf("error %v", err)
	}
	if got := samples(t, r.Metrics()); got != "c 7" {
		t.Errorf("got %q", got)
	}
	r, err = aggregate.NewMerger(at(noon)).Merge([]aggregate.Source{f, other})
	if got := samples(t, r.Metrics()); got != "c 2" || err == nil {
		t.Errorf("met for the first time: %q, %v", got, err)
	}
}

// Property: what cumulative series exposed never goes down while they stay,
// though a source vanishes or its cells are broken. Sums of observations may, but
// not for such a reason: then they are held until they are reached again.
func TestGuard(t *testing.T) {
	full := func(born int64) *fake {
		return process(born).counter("c", 5, 0.5).histogram("h", []float64{1}, 6, 2, 3).with(mmapstore.Family{Name: "s", Type: mmapstore.Summary}, "", float(4), 7)
	}
	f, other := full(1), full(2)
	m := aggregate.NewMerger(at(noon))
	mergeBy(t, m, f, other)
	want := `c 11
h_bucket{le="1"} 4
h_bucket{le="+Inf"} 10
h_sum 12
h_count 10
s_sum 8
s_count 14`
	if got := samples(t, mergeBy(t, m, f).Metrics()); got != want {
		t.Errorf("one has vanished:\n%s", got)
	}
	f.words[0] += 100
	f.words[4] += 100 // of 10 buckets counts, 2+3 remain
	if got := samples(t, mergeBy(t, m, f).Metrics()); !strings.Contains(got, "c 105.5\n") || !strings.Contains(got, "h_count 105\n") {
		t.Errorf("gone on counting:\n%s", got)
	}
	f.words[2] = float(20)
	if got := samples(t, mergeBy(t, m, f).Metrics()); !strings.Contains(got, "h_sum 20\n") {
		t.Errorf("reached again:\n%s", got)
	}
}

// Property: a sum that is lower by its last bits is rounding, and held.
func TestGuardHoldsRounding(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	f := process(1).histogram("h", nil, 1, 1)
	mergeBy(t, m, f)
	f.words[0] = float(1 - 1e-16)
	if got := mergeBy(t, m, f).Metrics()[0].Metric[0].Histogram.GetSampleSum(); got != 1 {
		t.Errorf("sum %v", got)
	}
	f.words[0] = float(0.9)
	if got := mergeBy(t, m, f).Metrics()[0].Metric[0].Histogram.GetSampleSum(); got != 0.9 {
		t.Errorf("sum %v", got)
	}
}

// Property: a series that left, and one whose contributors all began after it
// was last shown, may start from zero.
func TestGuardLetsARestartThrough(t *testing.T) {
	clock := int64(noon)
	m := aggregate.NewMerger(func() time.Time { return time.Unix(0, second(clock)) })
	mergeBy(t, m, process(1).counter("c", 5, 0))
	clock++
	mergeBy(t, m) // gone
	if got := samples(t, mergeBy(t, m, process(2).counter("c", 1, 0)).Metrics()); got != "c 1" {
		t.Errorf("after it left: %q", got)
	}
	clock++
	if got := samples(t, mergeBy(t, m, process(clock).counter("c", 0, 0.5)).Metrics()); got != "c 0.5" {
		t.Errorf("younger than what was shown: %q", got)
	}
}

// Property: schemas grow between merges and nothing is compiled wrongly; a death
// changes the mode by which a gauge counts; a younger source changes it for all.
func TestSourcesThatChange(t *testing.T) {
	m := aggregate.NewMerger(at(noon))
	f, other := process(1).gauge("g", mmapstore.Max, 1), process(2).gauge("g", mmapstore.Max, 2)
	steps := []struct {
		change func()
		want   string
	}{
		{func() {}, "g 2"},
		{func() { f.counter("c", 3, 0) }, "c 3\ng 2"},
		{func() { f.dead() }, "c 3\ng 2"},
		{func() { other.with(mmapstore.Family{Name: "c", Type: mmapstore.Counter}, "a=b", 4) }, "c 3\nc{a=\"b\"} 4\ng 2"},
	}
	for i, s := range steps {
		s.change()
		if got := samples(t, mergeBy(t, m, f, other).Metrics()); got != s.want {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
	}
	young := process(3).gauge("g", mmapstore.Sum, 10)
	if got := samples(t, mergeBy(t, m, f, other, young).Metrics()); got != "c 3\nc{a=\"b\"} 4\ng 13" {
		t.Errorf("a younger mode: %q", got)
	}
	if got := samples(t, mergeBy(t, m, f, other).Metrics()); got != "c 3\nc{a=\"b\"} 4\ng 2" {
		t.Errorf("gone again: %q", got)
	}
}
