//go:build unix

package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
)

// scrape is what one merge came to. Requests share it and must not change it.
type scrape struct {
	merged *aggregate.Result   // of the directories
	shown  []aggregate.Family  // sorted by name: of merged but those that have a name of ours, and most of our own
	own    []*dto.MetricFamily // what libraries and other collectors say, sorted by name
}

// Gather implements prometheus.Gatherer, for promhttp.
func (s *scrape) Gather() ([]*dto.MetricFamily, error) {
	all := make([]*dto.MetricFamily, 0, len(s.shown)+len(s.own))
	s.each(func(f aggregate.Family) { all = append(all, f.Metric()) }, func(f *dto.MetricFamily) { all = append(all, f) })
	return all, nil
}

// each yields all families by name.
func (s *scrape) each(merged func(aggregate.Family), own func(*dto.MetricFamily)) {
	rest := s.own
	for _, f := range s.shown {
		for len(rest) > 0 && rest[0].GetName() < f.Name {
			own(rest[0])
			rest = rest[1:]
		}
		merged(f)
	}
	for _, f := range rest {
		own(f)
	}
}

// merge scans all directories and merges what is there. It fails if one of them
// cannot be read: its counts would be missing from the sums.
func (e *Exporter) merge(ctx context.Context) (*scrape, error) {
	began := time.Now()
	c := newCensus()
	e.own.runtime.begin()
	defer e.own.runtime.end()
	result, err := e.mergeMembers(ctx, c)
	if err != nil && ctx.Err() != nil {
		return nil, err // all clients are gone: nothing has failed
	}
	e.report.failure(err)
	if err != nil {
		e.own.fixed.failures.Add(1)
		return nil, err
	}
	e.own.fixed.merges.observe(time.Since(began).Seconds())
	c.series, c.families, c.invalid = result.Series, len(result.Families), result.Invalid
	shown, conflicts := e.own.avoid(result.Families)
	conflicts = append(result.Conflicts, conflicts...)
	for _, conflict := range conflicts {
		c.conflicts.count(conflict.Kind)
	}
	e.report.update(c, conflicts)
	own, err := e.own.gather()
	if err != nil {
		e.report.Println("error gathering the exporter's own metrics:", err)
	}
	shown = e.own.fixed.show(append(slices.Clip(shown), e.own.census.show(c)...))
	slices.SortFunc(shown, func(a, b aggregate.Family) int { return strings.Compare(a.Name, b.Name) })
	return &scrape{merged: result, shown: shown, own: own}, nil
}

func (e *Exporter) mergeMembers(ctx context.Context, c *census) (*aggregate.Result, error) {
	var sources []aggregate.Source
	var of []*dirCensus // by index of the source
	for _, m := range distinct(e.currentMembers()) {
		v, err := m.Directory.Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("directory %s: %w", m.Directory.Path(), err)
		}
		defer v.Close() // after the merge has read the files
		sources = append(sources, v.Sources()...)
		of = append(of, slices.Repeat([]*dirCensus{c.take(m, v)}, len(sources)-len(of))...)
	}
	others, err := e.provided(ctx)
	if err != nil {
		return nil, err
	}
	sources = append(sources, others...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	result, _ := e.merger.Merge(sources) // the errors are those of result.Unread
	for _, u := range result.Unread {
		if u.Source >= len(of) { // a provider's
			return nil, fmt.Errorf("read %s: %w", sources[u.Source].Meta().Name, u.Err)
		}
		of[u.Source].problem(directory.Problem{Path: sources[u.Source].Meta().Name, Err: u.Err})
	}
	return result, nil
}

// provided are the sources of all providers, which are asked side by side: each may have to
// wait for somebody.
func (e *Exporter) provided(ctx context.Context) ([]aggregate.Source, error) {
	sources, errs := make([][]aggregate.Source, len(e.others)), make([]error, len(e.others))
	var asked sync.WaitGroup
	for i, p := range e.others {
		asked.Go(func() { sources[i], errs[i] = p.Sources(ctx) })
	}
	asked.Wait()
	return slices.Concat(sources...), errors.Join(errs...)
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
