package worker

import (
	"math"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

type summaryCells = [2]mmapstore.Word // sum as float64, then count

// summary implements prometheus.Summary, without quantiles: those of several
// processes cannot be merged.
type summary struct {
	cells atomic.Pointer[summaryCells] // the fast pointer, see core
	core
}

func newSummary(f *family) *summary {
	s := &summary{}
	s.init(f, s)
	return s
}

func (s *summary) point(cells []mmapstore.Word) { s.cells.Store(pair(cells)) }

// Observe implements prometheus.Summary. An infinite or NaN value is counted
// and left out of the sum.
func (s *summary) Observe(v float64) {
	if cells := s.cells.Load(); cells != nil && addFinite(&cells[0], v) {
		cells[1].Add(1)
		return
	}
	s.observeSlow(v)
}

func (s *summary) observeSlow(v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cells := (*summaryCells)(s.words)
	if !addFinite(&cells[0], v) {
		s.reject()
	}
	cells[1].Add(1)
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
