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
	// cut are those that somebody has cut off, so that not all could be read.
	cut    map[mmapstore.ID]bool
	unread error // names those that could not be read, and wait
}

// chooseDead freezes the values of the dead, so that what is folded is what was
// read. Files that the system does not let us read wait.
func chooseDead(files []*directory.File) *departed {
	d := &departed{cut: make(map[mmapstore.ID]bool)}
	var errs []error
	for _, f := range files {
		if f.Verdict().State != mmapstore.Dead || f.Orphan() && !f.Native() && !f.Nameless() {
			d.sources = append(d.sources, f)
			continue
		}
		frozen, err := aggregate.Freeze(f)
		if errors.Is(err, mmapstore.ErrTruncated) && f.Native() && !f.Orphan() {
			// The cells are gone, and who wrote them is dead: it gets no better.
			frozen, err = freezeRest(f)
			d.cut[f.ID()] = err == nil
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

// freezeRest reads what is left of a file that was cut off after we had opened it:
// as somebody would who had never seen the rest.
func freezeRest(f *directory.File) (aggregate.Source, error) {
	rest, err := directory.OpenFile(f.Path(), directory.Options{})
	if err != nil {
		return nil, err
	}
	defer rest.Close()
	if rest.ID() != f.ID() || rest.Verdict().State != mmapstore.Dead {
		return nil, fmt.Errorf("%s is another file by now: %w", f.Path(), mmapstore.ErrTruncated)
	}
	return aggregate.Freeze(rest)
}

// drop lets go of the first n, which are in the archive now.
func (d *departed) drop(n int) {
	gone := make(map[mmapstore.ID]bool, n)
	for _, f := range d.absorb[:n] {
		gone[f.ID()] = true
	}
	d.absorb = d.absorb[n:]
	kept := d.sources[:0]
	for _, s := range d.sources {
		if !gone[s.Meta().ID] {
			kept = append(kept, s)
		}
	}
	d.sources = kept
}
