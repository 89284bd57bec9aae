//go:build unix

package archiver

import (
	"errors"
	"fmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/spread"
	"github.com/promfold/promfold/mmapstore"
)

// departed is what a fold takes: all sources, and whose counts the archive is to take
// in, in order of birth.
type departed struct {
	sources []aggregate.Source
	absorb  []*directory.File
	// cut is of those that somebody has cut off why not all could be read.
	cut    map[mmapstore.ID]error
	unread error // names those that could not be read, and wait
}

// chooseDead freezes the values of the dead, so that what is folded is what was
// read. Files that the system does not let us read wait.
func chooseDead(files []*directory.File) *departed {
	d := &departed{cut: make(map[mmapstore.ID]error)}
	taken := make([]taken, len(files))
	spread.Each(len(files), func(i int) { taken[i] = take(files[i]) })
	var errs []error
	for i, f := range files {
		t := taken[i]
		if t.err != nil {
			errs = append(errs, fmt.Errorf("leaving the file of a dead process: %w", t.err))
		}
		if t.frozen == nil {
			d.sources = append(d.sources, f)
			continue
		}
		if t.cut != nil {
			d.cut[f.ID()] = t.cut
		}
		d.sources = append(d.sources, t.frozen)
		d.absorb = append(d.absorb, f)
	}
	d.unread = some(errs)
	return d
}

// taken is what was read of a file: nothing, if its process lives, or if the system
// does not let us.
type taken struct {
	frozen   aggregate.Source
	cut, err error
}

func take(f *directory.File) (t taken) {
	if f.Verdict().State != mmapstore.Dead || f.Orphan() && !f.Native() && !f.Nameless() {
		return taken{}
	}
	t.frozen, t.err = aggregate.Freeze(f)
	if errors.Is(t.err, mmapstore.ErrTruncated) && f.Native() {
		// The cells are gone, and who wrote them is dead: it gets no better.
		t.cut = t.err
		t.frozen, t.err = aggregate.Freeze(f.Rest())
	}
	return t
}
