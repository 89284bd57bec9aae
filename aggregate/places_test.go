package aggregate

import (
	"fmt"
	"testing"

	"github.com/promfold/promfold/mmapstore"
)

// passing is a process with counters of its own: each holds its own number.
type passing struct{ number, series int }

func (p passing) Meta() Meta {
	return Meta{ID: mmapstore.ID{byte(p.number), byte(p.number >> 8), 1}, Created: int64(p.number), State: mmapstore.Alive}
}

func (p passing) History() *History { return nil }

func (p passing) Schema() mmapstore.Schema {
	s := mmapstore.Schema{
		Families: []mmapstore.Family{{Name: "c_total", Type: mmapstore.Counter}}, SumWords: 1, Words: 2 * p.series,
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
// never many more than series, and each series keeps its value when it gets another.
func TestPlacesOfSeriesThatAreGone(t *testing.T) {
	m := NewMerger(nil)
	stays := passing{1, 500}
	// Half of all may be without a use, and some more before that is worth the work.
	for number := 2; number < 20; number++ {
		r, err := m.Merge([]Source{stays, passing{number, 1000}})
		if err != nil || r.Series != 1500 {
			t.Fatalf("%d series, %v", r.Series, err)
		}
		for i, s := range r.Families[0].Series {
			var of, number int
			if _, err := fmt.Sscanf(s.Labels.Get("series"), "%d/%d", &of, &number); err != nil {
				t.Fatal(err)
			}
			if got := r.Families[0].Metric().Metric[i].Counter.GetValue(); got != float64(of) {
				t.Fatalf("series %v is %v", s.Labels, got)
			}
		}
		if n := len(m.totals.counts); n > 6500 {
			t.Fatalf("%d accumulators for 1500 series", n)
		}
	}
}
