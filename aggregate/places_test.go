package aggregate

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// passing is a process with counters of its own: each holds its own number. They may be
// of a family that nobody else has.
type passing struct {
	number, series int
	family         string
}

func (p passing) Meta() Meta {
	return Meta{ID: mmapstore.ID{byte(p.number), byte(p.number >> 8), 1}, Created: int64(p.number), State: mmapstore.Alive}
}

func (p passing) History() *History { return nil }

func (p passing) Schema() mmapstore.Schema {
	s := mmapstore.Schema{
		Families: []mmapstore.Family{{Name: p.family, Type: mmapstore.Counter}}, SumWords: 1, Words: 2 * p.series,
	}
	for i := range p.series {
		labels, _ := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "series", Value: fmt.Sprint(p.number, "/", i)}})
		s.Series = append(s.Series, mmapstore.Series{Labels: labels, Word: 2 * i})
	}
	return s
}

func (p passing) Load(dst []uint64) error {
	for i := range p.series {
		dst[2*i], dst[2*i+1] = uint64(p.number), 0
	}
	return nil
}

// Property: accumulators of series that are gone are used again, so that there are
// never many more than series, and each series keeps its value when it gets another;
// whether or not their family is gone with them.
func TestPlacesOfSeriesThatAreGone(t *testing.T) {
	for _, format := range []string{"c_total", "c%d_total"} {
		m := NewMerger(nil)
		family := func(number int) string { return strings.ReplaceAll(format, "%d", strconv.Itoa(number)) }
		// Half of all may be without a use, and some more before that is worth the work.
		for number := 2; number < 20; number++ {
			r, err := m.Merge([]Source{passing{1, 500, family(1)}, passing{number, 1000, family(number)}})
			if err != nil || r.Series != 1500 {
				t.Fatalf("%d series, %v", r.Series, err)
			}
			for _, f := range r.Families {
				assertOwnNumbers(t, f)
			}
			if n := len(m.totals.counts); n > 6500 {
				t.Fatalf("%d accumulators for 1500 series", n)
			}
		}
	}
}

func assertOwnNumbers(t *testing.T, f Family) {
	t.Helper()
	for i, m := range f.Metric().Metric {
		number, _, _ := strings.Cut(f.Series[i].Labels.Get("series"), "/")
		if got := strconv.Itoa(int(m.Counter.GetValue())); got != number {
			t.Fatalf("series %v is %v", f.Series[i].Labels, got)
		}
	}
}
