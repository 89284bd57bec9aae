package foreign_test

import (
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/promfold/promfold/mmapstore"
	"github.com/promfold/promfold/redisstore/foreign"
)

// Property: buckets come out cumulative, however an observation was interrupted, and
// whatever bounds came later; counted is what is amiss, and each number shown is one
// that is stored.
func TestHistograms(t *testing.T) {
	for name, c := range map[string]struct {
		samples []foreign.Sample
		want    string // counts by bound
		sum     float64
		counts  map[string]int
	}{
		"whole":         {[]foreign.Sample{below("0.5", 1), below("1", 3), below("+Inf", 4), sumOf(9), countOf(4)}, "0.5:1 1:3 +Inf:4", 9, nil},
		"zero":          {[]foreign.Sample{below("1", 0), below("+Inf", 0), sumOf(0), countOf(0)}, "1:0 +Inf:0", 0, nil},
		"torn in":       {[]foreign.Sample{below("0.5", 2), below("1", 1), below("+Inf", 1), sumOf(9), countOf(1)}, "0.5:2 1:2 +Inf:2", 9, map[string]int{"torn": 1}},
		"torn behind":   {[]foreign.Sample{below("1", 2), below("+Inf", 2), sumOf(9), countOf(1)}, "1:2 +Inf:2", 9, map[string]int{"torn": 1}},
		"later bound":   {[]foreign.Sample{below("0.5", 100), below("0.7", 1), below("1", 110), below("+Inf", 110), sumOf(9), countOf(110)}, "0.5:100 0.7:100 1:110 +Inf:110", 9, map[string]int{"torn": 1}},
		"no count":      {[]foreign.Sample{below("1", 2), below("+Inf", 3), sumOf(9)}, "1:2 +Inf:3", 9, map[string]int{"incomplete": 1}},
		"no sum":        {[]foreign.Sample{below("1", 2), below("+Inf", 3), countOf(3)}, "1:2 +Inf:3", 0, map[string]int{"incomplete": 1}},
		"no last":       {[]foreign.Sample{below("1", 2), sumOf(9), countOf(3)}, "1:2 +Inf:3", 9, map[string]int{"incomplete": 1}},
		"bounds alone":  {[]foreign.Sample{below("1", 2), below("2", 5)}, "1:2 2:5 +Inf:5", 0, map[string]int{"incomplete": 1}},
		"no bucket":     {[]foreign.Sample{sumOf(9), countOf(3)}, "+Inf:3", 9, map[string]int{"incomplete": 1}},
		"two spellings": {[]foreign.Sample{below("1", 2), below("1.0", 3), below("inf", 3), below("+Inf", 3), sumOf(9), countOf(6)}, "1:5 +Inf:6", 9, map[string]int{"duplicate": 2}},
		"NaN observed":  {[]foreign.Sample{below("1", 0), below("+Inf", 1), sumOf(math.NaN()), countOf(1)}, "1:0 +Inf:1", math.NaN(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			want := map[string]float64{"h_sum": c.sum}
			for pair := range strings.FieldsSeq(c.want) {
				bound, text, _ := strings.Cut(pair, ":")
				n, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatal(err)
				}
				want[`h_bucket le="`+bound+`"`] = n
				want["h_count"] = n
			}
			s.shows(want, c.samples...)
			if !maps.Equal(s.counts, c.counts) {
				t.Errorf("counted %v", s.counts)
			}
		})
	}
}

// Property: what no series of its type can be is left out, counted by its reason, and
// costs nothing else.
func TestRefused(t *testing.T) {
	labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "le", Value: "1"}, {Name: "quantile", Value: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	with := func(s foreign.Sample) foreign.Sample { s.Labels = labels; return s }
	for name, c := range map[string]struct {
		sample foreign.Sample
		reason string
	}{
		"negative counter":  {counter("a", -1), "value"},
		"infinite counter":  {counter("a", math.Inf(1)), "value"},
		"NaN counter":       {counter("a", math.NaN()), "value"},
		"half a bucket":     {below("1", 0.5), "value"},
		"NaN bucket":        {below("1", math.NaN()), "value"},
		"negative count":    {countOf(-1), "value"},
		"too much":          {countOf(1e30), "value"},
		"no name":           {counter("", 1), "name"},
		"name of no text":   {counter("\xff", 1), "name"},
		"endless name":      {counter(strings.Repeat("x", mmapstore.MaxName+1), 1), "name"},
		"le of histogram":   {with(countOf(1)), "labels"},
		"quantile, summary": {with(part(mmapstore.Summary, foreign.Count, 1)), "labels"},
	} {
		s := newStore(t)
		s.shows(map[string]float64{"good": 1}, counter("good", 1), c.sample)
		if s.counts[c.reason] != 1 || len(s.counts) != 1 {
			t.Errorf("%s: counted %v, not one %s", name, s.counts, c.reason)
		}
	}
}

// Property: a histogram with more buckets than a merge takes costs itself.
func TestTooManyBuckets(t *testing.T) {
	s := newStore(t)
	samples := []foreign.Sample{counter("good", 1)}
	for i := range mmapstore.MaxBounds + 1 {
		samples = append(samples, below(strconv.Itoa(i), 1))
	}
	s.shows(map[string]float64{"good": 1}, samples...)
	if s.counts["limit"] != 1 {
		t.Errorf("counted %v", s.counts)
	}
}
