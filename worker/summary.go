package worker

import (
	"math"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// summary implements prometheus.Summary, without quantiles: those of several
// processes cannot be merged.
type summary struct {
	cells atomic.Pointer[observed] // never nil
	core
}

func newSummary(f *family) *summary {
	s := &summary{}
	s.init(f, s)
	return s
}

func (s *summary) point(words []mmapstore.Word, waits bool) {
	s.cells.Store(&observed{&words[0], words[1:], waits})
}

// Observe implements prometheus.Summary. An infinite or NaN value is counted
// and left out of the sum.
func (s *summary) Observe(v float64) {
	cells := s.cells.Load()
	summed := addFinite(cells.sum, v)
	for {
		if !summed && !cells.taken() {
			s.reject()
			summed = true // as far as it will be
		}
		if summed && cells.count(0) { // last, as in a histogram
			return
		}
		cells = s.cells.Load() // they have moved
		summed = summed || addFinite(cells.sum, v)
	}
}

// Collect implements prometheus.Collector.
func (s *summary) Collect(ch chan<- prometheus.Metric) { ch <- s }

// Write implements prometheus.Metric: what this process observed.
func (s *summary) Write(out *dto.Metric) error {
	own := s.ownLocked()
	out.Label = s.pairs
	out.Summary = &dto.Summary{
		SampleSum:        new(math.Float64frombits(own[0])),
		SampleCount:      new(own[1]),
		CreatedTimestamp: s.createdTimestamp(),
	}
	return nil
}
