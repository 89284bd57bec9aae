//go:build unix

package exporter

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// scrape is what one merge came to. Requests share it and must not change it.
type scrape struct {
	merged []*dto.MetricFamily // of the directories, sorted by name
	all    []*dto.MetricFamily // and our own, sorted by name
	// spelling is of the bounds in all: see aggregate.Result.
	spelling map[string]map[float64]string
}

// Gather implements prometheus.Gatherer, for promhttp.
func (s *scrape) Gather() ([]*dto.MetricFamily, error) { return s.all, nil }

// merge scans all directories and merges what is there. It fails if one of them
// cannot be read: its counts would be missing from the sums.
func (e *Exporter) merge(ctx context.Context) (*scrape, error) {
	began := time.Now()
	c := newCensus()
	result, err := e.mergeMembers(ctx, c)
	if err != nil && ctx.Err() != nil {
		return nil, err // all clients are gone: nothing has failed
	}
	e.report.failure(err)
	if err != nil {
		e.own.failures.Inc()
		return nil, err
	}
	e.own.merges.Observe(time.Since(began).Seconds())
	c.series, c.families, c.invalid = result.Series, len(result.Families), result.Invalid
	shown, conflicts := e.own.avoid(result.Families)
	conflicts = append(result.Conflicts, conflicts...)
	for _, conflict := range conflicts {
		c.conflicts[string(conflict.Kind)]++
	}
	e.report.update(c, conflicts)
	own, err := e.own.gather(c)
	if err != nil {
		e.report.Println("error gathering the exporter's own metrics:", err)
	}
	return &scrape{merged: result.Families, all: join(shown, own), spelling: spellingWithout(result.Spelling, own)}, nil
}

// spellingWithout leaves out our own families: one of the same name was avoided.
func spellingWithout(spelling map[string]map[float64]string, own []*dto.MetricFamily) map[string]map[float64]string {
	for _, f := range own {
		delete(spelling, f.GetName())
	}
	return spelling
}

func (e *Exporter) mergeMembers(ctx context.Context, c *census) (*aggregate.Result, error) {
	var sources []aggregate.Source
	for _, m := range distinct(e.currentMembers()) {
		v, err := m.Directory.Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("directory %s: %w", m.Directory.Path(), err)
		}
		defer v.Close() // after the merge has read the files
		d := c.take(m, v)
		for _, src := range v.Sources() {
			sources = append(sources, observed{src, d})
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	result, _ := e.merger.Merge(sources) // the errors are those that observed has seen
	return result, nil
}

// observed is a source that notes when it cannot be read. The merge goes on
// with its last good values.
type observed struct {
	aggregate.Source
	dir *dirCensus
}

func (o observed) Load(dst []uint64) error {
	err := o.Source.Load(dst)
	if err != nil {
		o.dir.problem(directory.Problem{Path: o.Meta().Name, Err: err})
	}
	return err
}

// distinct leaves out the members whose directory an earlier one has under
// another name, a symbolic link, say. Their scans are of different moments: what
// was archived between the two would count twice.
func distinct(members []Member) []Member {
	var known []os.FileInfo
	return slices.DeleteFunc(members, func(m Member) bool {
		info, err := os.Stat(m.Directory.Path())
		if err != nil {
			return false // missing or out of reach, which the scan will say
		}
		again := slices.ContainsFunc(known, func(other os.FileInfo) bool { return os.SameFile(info, other) })
		known = append(known, info)
		return again
	})
}

func (e *Exporter) currentMembers() []Member {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.members)
}

// join merges two lists without a name in common.
func join(a, b []*dto.MetricFamily) []*dto.MetricFamily {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}
