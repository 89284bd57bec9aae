package worker

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// histogram implements prometheus.Histogram and ExemplarObserver.
type histogram struct {
	cells  atomic.Pointer[histogramCells] // the fast pointer, see core
	bounds []float64
	core
}

// histogramCells are the sum (a float64) and one count per bucket, +Inf last.
// The count of all observations is not kept: it is what the buckets add up to,
// so the two cannot disagree.
type histogramCells struct {
	sum     *mmapstore.Word
	buckets []mmapstore.Word
}

func viewHistogram(words []mmapstore.Word) *histogramCells {
	return &histogramCells{&words[0], words[1:]}
}

func newHistogram(f *family) *histogram {
	h := &histogram{bounds: f.meta.Bounds}
	h.init(f, h)
	return h
}

func (h *histogram) point(cells []mmapstore.Word) {
	if cells == nil {
		h.cells.Store(nil)
		return
	}
	h.cells.Store(viewHistogram(cells))
}

// Observe implements prometheus.Histogram. An infinite or NaN value is counted
// in its bucket and left out of the sum.
func (h *histogram) Observe(v float64) {
	bucket := bucketOf(h.bounds, v)
	if cells := h.cells.Load(); cells != nil && addFinite(cells.sum, v) {
		// The bucket comes last, so an observation that was cut off by the
		// death of the process was not counted.
		cells.buckets[bucket].Add(1)
		return
	}
	h.observeSlow(v, bucket)
}

// ObserveWithExemplar implements prometheus.ExemplarObserver. The exemplar is
// dropped.
func (h *histogram) ObserveWithExemplar(v float64, _ prometheus.Labels) { h.Observe(v) }

func (h *histogram) observeSlow(v float64, bucket int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	cells := viewHistogram(h.words)
	if !addFinite(cells.sum, v) {
		h.reject()
	}
	cells.buckets[bucket].Add(1)
}

// fewBounds is up to where looking at one bound after the other beats halving.
const fewBounds = 32

// bucketOf is the index of the first bound that is not below v; NaN is over all
// bounds.
func bucketOf(bounds []float64, v float64) int {
	if len(bounds) > fewBounds {
		return sort.SearchFloat64s(bounds, v)
	}
	for i, bound := range bounds {
		if v <= bound {
			return i
		}
	}
	return len(bounds)
}

// Collect implements prometheus.Collector.
func (h *histogram) Collect(ch chan<- prometheus.Metric) { ch <- h }

// Write implements prometheus.Metric: what this process observed.
func (h *histogram) Write(out *dto.Metric) error {
	own := h.ownLocked()
	d := &dto.Histogram{
		SampleSum:        new(math.Float64frombits(own[0])),
		Bucket:           make([]*dto.Bucket, len(h.bounds)),
		CreatedTimestamp: h.createdTimestamp(),
	}
	var count uint64
	for i, bound := range h.bounds {
		count += own[1+i]
		d.Bucket[i] = &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(count)}
	}
	d.SampleCount = new(count + own[len(own)-1])
	out.Label, out.Histogram = h.pairs, d
	return nil
}

// errBounds: the bounds of a histogram are not in ascending order.
var errBounds = errors.New("bucket bounds must ascend")

// cleanBounds copies the bounds of a histogram, without a last +Inf, which is
// implied. No bounds at all are client_golang's default ones.
func cleanBounds(bounds []float64) ([]float64, error) {
	if len(bounds) == 0 {
		bounds = prometheus.DefBuckets
	}
	bounds = append([]float64(nil), bounds...)
	if math.IsInf(bounds[len(bounds)-1], +1) {
		bounds = bounds[:len(bounds)-1]
	}
	for i, bound := range bounds {
		if math.IsNaN(bound) || math.IsInf(bound, +1) || i > 0 && bounds[i-1] >= bound {
			return nil, fmt.Errorf("%w: %v", errBounds, bounds)
		}
	}
	return bounds, nil
}
