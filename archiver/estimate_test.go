package archiver

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/mmapstore"
)

// Property: no archive of what lives is larger than was expected while it lived,
// and the expectation is not wildly more: room is taken from the application.
func TestExpectedSize(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		d := directory.New(dir, directory.Options{Archiving: true})
		a := New(d, Options{Interval: time.Millisecond})
		for range 3 { // some of it is archived before the next
			var writers []*mmapstore.Writer
			for n := range 1 + rng.IntN(5) {
				writers = append(writers, various(t, rng, dir, fmt.Sprint(seed, n)))
			}
			v, err := d.ScanNative(bg)
			must(t, err)
			a.expected.take(v, aggregate.FoldOptions{})
			expected := a.expected.size()
			v.Close()
			for _, w := range writers {
				must(t, w.Close())
			}
			must(t, a.Once(bg))
			if got := a.expected.least; got > expected || expected > 2*got+1000 {
				t.Errorf("seed %d: the archive takes %d bytes, expected were %d", seed, got, expected)
			}
		}
		must(t, d.Close())
	}
}

// various is the file of a worker with families of all types, and series that
// others may have as well.
func various(t *testing.T, rng *rand.Rand, dir, identity string) *mmapstore.Writer {
	t.Helper()
	w, err := mmapstore.Create(dir, mmapstore.WriterOptions{Identity: identity})
	must(t, err)
	for i, f := range []mmapstore.Family{
		{Type: mmapstore.Counter, Unit: "seconds"},
		{Type: mmapstore.Histogram, Bounds: []float64{1, 2, 5, 10}},
		{Type: mmapstore.Summary},
		{Type: mmapstore.Gauge, Mode: mmapstore.Latest},
		{Type: mmapstore.Gauge, Mode: mmapstore.Max},
		{Type: mmapstore.Gauge, Mode: mmapstore.All},
		{Type: mmapstore.Gauge, Mode: mmapstore.LiveSum},
	} {
		f.Name, f.Help = fmt.Sprint("family", i), strings.Repeat("help ", rng.IntN(20))
		n, err := w.AddFamily(f)
		must(t, err)
		for k := range rng.IntN(40) {
			value := fmt.Sprint(k)
			if rng.IntN(4) == 0 {
				value = strings.Repeat(identity, 1+rng.IntN(5)) + value
			}
			labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "k", Value: value}})
			must(t, err)
			_, err = w.AddSeries(n, labels, time.Now())
			must(t, err)
		}
	}
	return w
}
