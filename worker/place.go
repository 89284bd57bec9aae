package worker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// fileFamily is a family of the file, and who has places in it. It outlives the
// families that use it: a series that comes back finds its old place.
type fileFamily struct {
	number int
	// holders have a place, or had one that could not be given up. Guarded by
	// Store.mu.
	holders map[mmapstore.Labels]*core
}

// adopt takes a new child into its family and places it. A child with the same
// labels that is still there was deleted from its Vec; it leaves at once.
func (s *Store) adopt(m child) {
	c := m.base()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.family.retired {
		return // see readopt
	}
	if old, ok := c.family.children[c.labels]; ok {
		s.bury(old.base())
	}
	c.family.children[c.labels] = m
	s.place(c)
	// There is no upkeep without a file, but deleted children must go.
	if n := len(c.family.children); s.state != filed && n >= c.family.crowd {
		c.family.crowd = 2 * n
		go s.sweep()
	}
}

// readopt takes the children of a family back that was retired.
func (s *Store) readopt(f *family, c prometheus.Collector) {
	if f.vec != nil {
		c = f.vec
	}
	for m := range collected(c) {
		if m, ok := m.(child); ok {
			s.readoptChild(f, m)
		}
	}
}

func (s *Store) readoptChild(f *family, m child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := m.base()
	// Who is loose already counts where no count could be moved from.
	if _, taken := f.children[c.labels]; taken || c.family != f || c.state != homeless {
		return
	}
	f.children[c.labels] = m
	s.place(c)
}

// place gives a child what the state of the store allows: nothing before Open,
// the heap for good without a file, or else a place in the file. Store.mu is
// held.
func (s *Store) place(c *core) {
	switch s.state {
	case pending:
		return
	case memory, closed:
		s.loosen(c)
		return
	}
	slot, err := s.takeSlot(c)
	if err == nil {
		delete(s.homeless, c)
		c.state, c.slot = placed, slot
		c.move(slot)
		return
	}
	if errors.Is(err, errNative) {
		s.note("twice", "a snapshotted series is native too, and left out", "metric", c.family.meta.Name)
		s.loosen(c)
		return
	}
	if !c.dropped {
		c.dropped = true
		s.dropped++
		s.writer.CountDropped()
	}
	if final(err) {
		s.note("cap", "a series is not in the file and counts in this process alone",
			"metric", c.family.meta.Name, "err", err)
		s.loosen(c)
		return
	}
	s.note("space", "a series waits for room in the file", "metric", c.family.meta.Name, "err", err)
	s.homeless[c] = struct{}{}
}

// loosen leaves a child on the heap for good. Store.mu is held.
func (s *Store) loosen(c *core) {
	delete(s.homeless, c)
	c.state = loose
	c.detach()
}

// final reports whether it is no use to try again.
func final(err error) bool {
	return errors.Is(err, mmapstore.ErrTooLarge) || errors.Is(err, mmapstore.ErrMalformed) ||
		errors.Is(err, mmapstore.ErrClosed)
}

// errNative: a snapshot has a series that a native metric holds. Only a
// collector that does not describe what it collects can bring that about.
var errNative = errors.New("held by a native metric")

// takeSlot finds the place of a child in the file, and sends away who held it.
// Store.mu is held.
func (s *Store) takeSlot(c *core) (mmapstore.Slot, error) {
	f, err := s.fileFamily(c.family)
	if err != nil {
		return mmapstore.Slot{}, err
	}
	if old, ok := f.holders[c.labels]; ok {
		if c.family.desc == nil && old.family.desc != nil && old.state == placed {
			return mmapstore.Slot{}, errNative
		}
		if old.state == placed {
			s.bury(old)
		} else {
			s.mark(old)
		}
		if _, stays := f.holders[c.labels]; stays {
			// It could not be marked deleted, so the series lives on.
			slot := old.slot
			slot.Resumed = true
			s.writer.Unset(slot)
			f.holders[c.labels] = c
			delete(s.unburied, old)
			return slot, nil
		}
	}
	slot, err := s.writer.AddSeries(f.number, c.labels, c.created)
	if err == nil {
		f.holders[c.labels] = c
	}
	return slot, err
}

// fileFamily is the family's own family in the file. Store.mu is held.
func (s *Store) fileFamily(f *family) (*fileFamily, error) {
	if f.file != nil {
		return f.file, nil
	}
	key := f.key()
	if s.files[key] == nil {
		n, err := s.writer.AddFamily(f.fileMeta())
		if err != nil {
			return nil, err
		}
		s.files[key] = &fileFamily{number: n, holders: make(map[mmapstore.Labels]*core)}
	}
	f.file = s.files[key]
	return f.file, nil
}

// bury ends the life of a child: it goes on counting for itself alone, and its
// series is marked deleted. The child leaves its family. Store.mu is held.
func (s *Store) bury(c *core) {
	s.leave(c)
	wasPlaced := c.state == placed
	if c.state != loose {
		s.loosen(c) // before the mark, so that no later count meets the next life
	}
	if wasPlaced {
		s.mark(c)
	}
}

// park is bury for a child whose family may come back.
func (s *Store) park(c *core) {
	s.leave(c)
	delete(s.homeless, c)
	if c.state == placed {
		c.state = homeless
		c.park()
		s.mark(c)
	}
}

// leave takes a child out of its family.
func (s *Store) leave(c *core) {
	if m, ok := c.family.children[c.labels]; ok && m.base() == c {
		delete(c.family.children, c.labels)
	}
}

// mark marks the series deleted of a child that has left its place. Store.mu is
// held.
func (s *Store) mark(c *core) {
	holders := c.family.file.holders
	if holders[c.labels] != c {
		return // another has the place already
	}
	if err := s.writer.Delete(c.slot); err != nil && !errors.Is(err, mmapstore.ErrClosed) {
		s.note("tombstone", "a series cannot be marked deleted yet", "metric", c.family.meta.Name, "err", err)
		s.unburied[c] = struct{}{}
		return
	}
	delete(s.unburied, c)
	delete(holders, c.labels)
}
