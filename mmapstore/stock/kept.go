//go:build unix

package stock

import "fmt"

// LoadKept is Load with what the last Load that worked has seen, and those that came
// as far after it. dst is of the length of that Load, or of the last one before it that
// had another Version. It fails where there was none.
func (r *Reader) LoadKept(dst []uint64) error {
	l := &r.loader
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.kept {
		p := &l.kept[i]
		if p.items == 0 || len(dst) < p.least || len(dst) > p.schema.Words {
			continue
		}
		l.last = append(l.last, make([]uint64, max(0, len(p.cells)-len(l.last)))...)
		for i, v := range l.last {
			if v == unseen { // of an entry that came when the file could not be read any more
				l.last[i] = 0
			}
		}
		l.fill(dst, &p.plan)
		return nil
	}
	return fmt.Errorf("what was loaded of %s: %w", r.f.Name(), ErrRedone)
}
