//go:build unix

package stock

import (
	"fmt"

	"github.com/promfold/promfold/mmapstore"
)

// LoadKept is Load with the values of the last Load that worked, and those that one
// came to see which did not. It fails where there are none of the present Version.
func (r *Reader) LoadKept(dst []uint64) error {
	r.mu.Lock()
	p, least := *r.plan, max(r.plan.least, r.least)
	r.mu.Unlock()
	if len(dst) < least || len(dst) > p.schema.Words {
		return fmt.Errorf("what was loaded of %s: %w", r.f.Name(), ErrRedone)
	}
	r.loader.mu.Lock()
	defer r.loader.mu.Unlock()
	if len(r.loader.last) < len(p.cells) {
		return fmt.Errorf("what was loaded of %s: %w", r.f.Name(), mmapstore.ErrTruncated)
	}
	for i, v := range r.loader.last {
		if v == unseen { // of an entry that came when the file could not be read any more
			r.loader.last[i] = 0
		}
	}
	r.loader.fill(dst, &p)
	return nil
}
