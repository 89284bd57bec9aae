//go:build unix

package archiver

import (
	"errors"
	"fmt"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
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
	var errs []error
	for _, f := range files {
		if f.Verdict().State != mmapstore.Dead || f.Orphan() && !f.Native() && !f.Nameless() {
			d.sources = append(d.sources, f)
			continue
		}
		frozen, err := aggregate.Freeze(f)
		if errors.Is(err, mmapstore.ErrTruncated) && f.Native() {
			// The cells are gone, and who wrote them is dead: it gets no better.
			d.cut[f.ID()] = err
			frozen, err = aggregate.Freeze(f.Rest())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("leaving the file of a dead process: %w", err))
			d.sources = append(d.sources, f)
			continue
		}
		d.sources = append(d.sources, frozen)
		d.absorb = append(d.absorb, f)
	}
	d.unread = some(errs)
	return d
}
