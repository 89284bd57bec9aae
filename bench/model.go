//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
)

// model is what one process of an application counts: the same keys in each
// process, and values that only arithmetic tells apart.
type model struct {
	families []family
}

// family is a metric family with its children.
type family struct {
	name, help string // of counters without _total
	kind       string // as client_python names it: counter, histogram, gauge
	mode       string // of gauges, as client_python names it
	bounds     []float64
	labels     []string
	children   [][]string // values of labels
}

// size is how many children there are of each sort.
type size struct {
	counters, wide, narrow, all, livesum int
}

// The bounds are client_python's default ones, and some for sizes of answers.
var (
	wideBounds   = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	narrowBounds = []float64{256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288}
)

var (
	// liveSize is 4,750 samples in client_python's files.
	liveSize = size{counters: 1450, wide: 130, narrow: 80, all: 4, livesum: 96}
	// deadCounters and deadHistograms are 994 samples each, in one file.
	deadCounters   = size{counters: 994}
	deadHistograms = size{wide: 35, narrow: 31}
)

// newModel has the first children of each sort: a smaller model's keys are all in
// a larger one.
func newModel(s size) *model {
	m := &model{}
	m.add("requests", "Requests by handler, method and code.", "counter", "", nil, s.counters)
	m.add("request_duration_seconds", "How long requests took, by handler.", "histogram", "", wideBounds, s.wide)
	m.add("response_size_bytes", "How large answers were, by handler.", "histogram", "", narrowBounds, s.narrow)
	m.add("pool_connections", "Connections of the pool.", "gauge", "all", nil, s.all)
	m.add("requests_in_flight", "Requests under way, by handler.", "gauge", "livesum", nil, s.livesum)
	return m
}

// perFamily is how many children a family gets before the next one begins.
const perFamily = 50

func (m *model) add(name, help, kind, mode string, bounds []float64, children int) {
	for n := range children {
		if n%perFamily == 0 {
			m.families = append(m.families, family{
				name: fmt.Sprintf("shop_%s_%s", areas[n/perFamily%len(areas)], numbered(name, n/perFamily/len(areas))),
				help: help, kind: kind, mode: mode, bounds: bounds, labels: []string{"handler", "method", "status"},
			})
		}
		f := &m.families[len(m.families)-1]
		f.children = append(f.children, []string{
			fmt.Sprintf("/api/v1/%s/%d", areas[n%len(areas)], n%perFamily), methods[n%len(methods)], codes[n%len(codes)],
		})
	}
}

var (
	areas   = []string{"cart", "catalog", "checkout", "invoice", "login", "orders", "returns", "search"}
	methods = []string{"GET", "POST", "PUT"}
	codes   = []string{"200", "201", "404", "500", "503"}
)

func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "_" + strconv.Itoa(n)
}

// eachChild calls with all children, each with its number.
func (m *model) eachChild(do func(n int, f *family, values []string)) {
	n := 0
	for i := range m.families {
		for _, values := range m.families[i].children {
			do(n, &m.families[i], values)
			n++
		}
	}
}

// moment is whose values are meant, and after how many changes of all of them.
type moment struct{ process, round int }

// scalar is the value of a counter or gauge.
func (f *family) scalar(at moment, child int) float64 {
	if f.kind == "gauge" {
		return float64((at.process*7+child*3+at.round)%100) + 0.5
	}
	whole := float64(1 + (at.process*7919+child*104729)%100_000 + at.round)
	if child%10 == 0 {
		return whole / 1024 // seconds, say
	}
	return whole
}

// bucket is how many observations a bucket has, those below it apart.
func (f *family) bucket(at moment, child, k int) int {
	return (at.process*31+child*17+k*5)%40 + at.round
}

// observation is a value in the bucket. Sums of such are exact in any order, so
// that all sides must agree to the last bit, and have as many digits as real ones.
func (f *family) observation(k int) float64 {
	low := 0.0
	if k > 0 {
		low = f.bounds[k-1]
	}
	high := low * 2
	if k < len(f.bounds) {
		high = f.bounds[k]
	}
	return math.Floor((low+high)/2*(1<<20)) / (1 << 20)
}

// sum is that of a histogram's observations.
func (f *family) sum(at moment, child int) float64 {
	total := 0.0
	for k := range len(f.bounds) + 1 {
		total += float64(f.bucket(at, child, k)) * f.observation(k)
	}
	return total
}
