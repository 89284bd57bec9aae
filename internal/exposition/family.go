// Package exposition writes metric families of which only the values change: the
// lines of a family are rendered once, without their numbers, and from then on a
// scrape appends line, number, newline. What comes out is byte for byte what
// expfmt writes, but for the bounds of buckets whose spelling is given.
package exposition

import (
	"sync"
	"sync/atomic"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// Family is what stays the same of a metric family from scrape to scrape. It must
// not be copied, nor changed once it is in use. Goroutines may share it: what was
// rendered of it is kept in it.
//
// The values of a family are a slice of words: those of its series one after the
// other. A counter, gauge or untyped metric has one, a float64. A histogram has
// its cumulative counts, one for each bound and one of all observations (uint64),
// and then its sum (float64). A summary has its sum (float64) and its count
// (uint64). Floats are there as their bits.
type Family struct {
	Name, Help, Unit string         // as the sources have them; no Unit is written if it is empty
	Type             dto.MetricType // COUNTER, GAUGE, UNTYPED, HISTOGRAM or SUMMARY
	Series           []Series       // in the order of output
	// Spelling is the text of those bounds that the text format would write
	// otherwise; OpenMetrics has a rule of its own for them. It may be nil.
	Spelling map[float64]string

	shapeOnce sync.Once
	shape     shape // set by shapeOnce

	rendering  sync.Mutex                        // held to fill renderings
	renderings [styles]atomic.Pointer[rendering] // by Style.index
}

// Series is a metric of a family without its values.
type Series struct {
	Labels mmapstore.Labels
	// Bounds of the buckets of a histogram, finite and ascending.
	Bounds []float64
	// Created is in nanoseconds of Unix time, 0 for not known.
	Created int64
}

// Words is how many values the family has.
func (f *Family) Words() int { return f.measured().firstWord(len(f.Series)) }

// words is how many values one series has.
func (f *Family) words(s *Series) int {
	switch f.Type {
	case dto.MetricType_HISTOGRAM:
		return len(s.Bounds) + 2
	case dto.MetricType_SUMMARY:
		return 2
	default:
		return 1
	}
}
