//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/promfold/promfold/internal/stocktest"
)

// pythonLayout is that of client_python since 0.18.
var pythonLayout = &layout{
	firstSize: 64 << 10,
	valueSize: 16,
	name:      func(prefix, pid string) string { return prefix + "_" + pid + ".db" },
	entries: func(n int, f *family, values []string) []entry {
		var labels []string
		for i, v := range values {
			labels = append(labels, f.labels[i]+"="+v)
		}
		key := func(suffix string, more ...string) string {
			return stocktest.Key(f.name, f.name+suffix, f.help, append(labels, more...)...)
		}
		if f.kind != "histogram" {
			suffix := ""
			if f.kind == "counter" {
				suffix = "_total"
			}
			return []entry{{key(suffix), func(at moment) float64 { return f.scalar(at, n) }}}
		}
		all := []entry{{key("_sum"), func(at moment) float64 { return f.sum(at, n) }}}
		for k := range len(f.bounds) + 1 {
			all = append(all, entry{key("_bucket", "le="+pythonBound(f, k)), func(at moment) float64 {
				return float64(f.bucket(at, n, k))
			}})
		}
		return all
	},
}

// pythonBound is the label le: whole numbers have a fraction.
func pythonBound(f *family, k int) string {
	if k == len(f.bounds) {
		return "+Inf"
	}
	s := strconv.FormatFloat(f.bounds[k], 'f', -1, 64)
	if f.bounds[k] == float64(int(f.bounds[k])) {
		s += ".0"
	}
	return s
}

// gitlabLayout is that of prometheus-client-mmap 0.16.
var gitlabLayout = &layout{
	firstSize: 4 << 10,
	valueSize: 8,
	name:      func(prefix, pid string) string { return prefix + "_" + pid + "-0.db" },
	entries: func(n int, f *family, values []string) []entry {
		if f.kind != "histogram" {
			name := f.name
			if f.kind == "counter" {
				name += "_total"
			}
			return []entry{{gitlabKey(name, name, f.labels, values), func(at moment) float64 { return f.scalar(at, n) }}}
		}
		upTo := func(k int) func(moment) float64 {
			return func(at moment) float64 {
				total := 0
				for below := range k + 1 {
					total += f.bucket(at, n, below)
				}
				return float64(total)
			}
		}
		bucket := func(k int) entry { // le sorts behind handler, and before the others
			le := pythonBound(f, k)
			return entry{gitlabKey(f.name, f.name+"_bucket", insert(f.labels, 1, "le"), insert(values, 1, le)), upTo(k)}
		}
		all := []entry{
			{gitlabKey(f.name, f.name+"_sum", f.labels, values), func(at moment) float64 { return f.sum(at, n) }},
			{gitlabKey(f.name, f.name+"_count", f.labels, values), upTo(len(f.bounds))},
			bucket(len(f.bounds)),
		}
		for k := range f.bounds {
			all = append(all, bucket(k))
		}
		return all
	},
}

// insert is a copy with one more at a place.
func insert(all []string, at int, one string) []string {
	more := append([]string{}, all[:at]...)
	return append(append(more, one), all[at:]...)
}

func gitlabKey(metric, sample string, names, values []string) string {
	b, err := json.Marshal([]any{metric, sample, names, values})
	if err != nil {
		panic(fmt.Errorf("a key of strings: %w", err))
	}
	return string(b)
}
