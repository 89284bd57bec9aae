//go:build unix

package directory

import (
	"slices"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// overrides is what is known better than stock clients' files tell it.
type overrides struct {
	of mmapstore.Overrides
	// version tells those of one Directory apart.
	version uint64
	drops   bool // some family
}

// SetOverrides changes what is known better than stock clients' files tell it,
// from the next scan on. Goroutines may call it at any time.
func (d *Directory) SetOverrides(o mmapstore.Overrides) {
	next := &overrides{of: o, version: 1}
	for _, override := range o {
		next.drops = next.drops || override.Drop
	}
	for {
		old := d.overrides.Load()
		if old != nil {
			next.version = old.version + 1
		}
		if d.overrides.CompareAndSwap(old, next) {
			return
		}
	}
}

// hide leaves out of an archive the families that are dropped: it may have taken
// them in before they were.
func (o *overrides) hide(archive aggregate.Source) aggregate.Source {
	if !o.drops {
		return archive
	}
	schema := archive.Schema()
	schema.Version = o.version
	schema.Families = slices.Clone(schema.Families)
	for i := range schema.Families {
		if f := &schema.Families[i]; o.of[f.Name].Drop {
			*f = mmapstore.Family{} // of no type: a merge leaves it out
		}
	}
	return &hiding{archive, schema}
}

// hiding is an archive of which some families are left out.
type hiding struct {
	aggregate.Source
	schema mmapstore.Schema
}

func (s *hiding) Schema() mmapstore.Schema { return s.schema }
