package worker

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/mmapstore"
)

// histogram implements prometheus.Histogram and ExemplarObserver.
type histogram struct {
	cells  atomic.Pointer[observed] // never nil
	bounds []float64
	core
}

func newHistogram(f *family) *histogram {
	h := &histogram{bounds: f.meta.Bounds}
	h.init(f, h)
	return h
}

func (h *histogram) point(words []mmapstore.Word, waits bool) {
	h.cells.Store(&observed{&words[0], words[1:], waits})
}

// Observe implements prometheus.Histogram. An infinite or NaN value is counted
// in its bucket and left out of the sum.
func (h *histogram) Observe(v float64) {
	bucket := bucketOf(h.bounds, v)
	cells := h.cells.Load()
	summed := addFinite(cells.sum, v)
	for {
		if !summed && !cells.taken() {
			h.reject()
			summed = true // as far as it will be
		}
		// The bucket comes last, so an observation that was cut off by the
		// death of the process was not counted.
		if summed && cells.count(bucket) {
			return
		}
		cells = h.cells.Load() // they have moved
		summed = summed || addFinite(cells.sum, v)
	}
}

// ObserveWithExemplar implements prometheus.ExemplarObserver. The exemplar is
// dropped.
func (h *histogram) ObserveWithExemplar(v float64, _ prometheus.Labels) { h.Observe(v) }

// fewBounds are looked at one after the other, of more the half at a time.
const fewBounds = 8

// bucketOf is the index of the first bound that is not below v; NaN is over all
// bounds. Indices are compared with the length where they are in range anyway,
// as an index that the compiler cannot prove is a call. See waiting.go.
func bucketOf(bounds []float64, v float64) int {
	i := 0
	for n := len(bounds); n > fewBounds; {
		half := n / 2
		if at := i + half; uint(at) < uint(len(bounds)) && !(v <= bounds[at]) {
			i, n = at+1, n-half-1
		} else {
			n = half
		}
	}
	for uint(i) < uint(len(bounds)) && !(v <= bounds[i]) {
		i++
	}
	return i
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
