package stock

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/promfold/promfold/mmapstore"
)

// Siblings know what was parsed of files of late. Workers of one application mostly
// write the same keys at the same places, so a file is first compared with those
// known, and parsed only if it is like none of them. Readers of like files share
// what was parsed: the slices of their schemas are the same memory. Goroutines may
// share Siblings.
type Siblings struct {
	// mu guards known, weight, and the users and raw of every sibling.
	mu     sync.Mutex
	known  map[kin][]*sibling // the latest last
	weight int

	born    atomic.Uint64 // siblings, and versions of layouts
	buffers sync.Pool     // *[]byte of chunkSize, in which files are read
}

// Limits of what is known.
const (
	maxAlike   = 4        // of files of one kind and length, with other keys
	maxWeight  = 32 << 20 // of all
	itemWeight = 64       // of what is kept of an entry
	setSize    = 256      // of a label set, and its series
	// setWeight stands for what is parsed of a file, however short.
	setWeight = 32 << 10
	// maxRaw is of one file.
	maxRaw = maxWeight / 8
)

// kin are files that may be alike.
type kin struct {
	kind      any     // Format.Kind
	overrides uintptr // which map
	layout    layout
	end       int64
}

// sibling is what was parsed of a whole file without any damage. Nothing of it is
// written to as long as it has users that may be several.
type sibling struct {
	kin
	born uint64
	from uint64 // the sibling whose entries come first in this one, 0 if unknown

	overrides   mmapstore.Overrides // keeps their address from being another map's
	index       *index
	plan        *plan
	places      mmapstore.Places
	first, last specimen

	users int
	raw   []byte // the entries; nil once it is not known any more
}

// NewSiblings makes a registry that knows nothing.
func NewSiblings() *Siblings { return &Siblings{known: make(map[kin][]*sibling)} }

// version tells a layout from those of all other siblings. Without a registry it
// follows the old one, if there is any.
func (s *Siblings) version(old *plan) uint64 {
	switch {
	case s != nil:
		return s.born.Add(1)
	case old != nil:
		return old.schema.Version + 1
	}
	return 0
}

// known is a sibling that is in use as long as somebody compares a file with it.
type known struct {
	*sibling
	raw []byte // as of when it was found
}

// hold finds those that a file of the kin may be like, the latest first. Each has
// the caller as a user until it lets go.
func (s *Siblings) hold(k kin) (found []known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range slices.Backward(s.known[k]) {
		one.users++
		found = append(found, known{one, one.raw})
	}
	return found
}

// letGo ends a use. One that nobody uses may still be known, for files to come.
func (s *Siblings) letGo(one *sibling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.users--
}

// outgrow ends a use by one whose file went on. Others will, too.
func (s *Siblings) outgrow(one *sibling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.users--; one.users == 0 && one.raw != nil {
		s.forget(one)
	}
}

// takeBack is for a user who goes on to write. If there is no other, the sibling is
// known no more, and may be written to. Else it is in use until outgrown, and may be
// copied. The bytes are its entries, nil if it was not known.
func (s *Siblings) takeBack(one *sibling) (raw []byte, alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw = one.raw
	if alone = one.users == 1; alone && raw != nil {
		s.forget(one)
	}
	return raw, alone
}

// add makes one known, with its one user.
func (s *Siblings) add(one *sibling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.users = 1
	s.known[one.kin] = append(s.known[one.kin], one)
	s.weight += one.weight()
	if alike := s.known[one.kin]; len(alike) > maxAlike {
		s.forget(alike[0])
	}
	for s.weight > maxWeight {
		s.forget(s.oldest())
	}
}

// oldest prefers those without users.
func (s *Siblings) oldest() (oldest *sibling) {
	for _, alike := range s.known {
		for _, one := range alike {
			if oldest == nil || (one.users > 0) != (oldest.users > 0) && one.users == 0 ||
				(one.users > 0) == (oldest.users > 0) && one.born < oldest.born {
				oldest = one
			}
		}
	}
	return oldest
}

// forget makes one unknown. Who uses it goes on to.
func (s *Siblings) forget(one *sibling) {
	s.weight -= one.weight()
	one.raw = nil
	alike := slices.DeleteFunc(s.known[one.kin], func(other *sibling) bool { return other == one })
	if s.known[one.kin] = alike; len(alike) == 0 {
		delete(s.known, one.kin)
	}
}

// weight is about what it takes in memory: its keys, and what was made of them, which
// is more than they are if they are short.
func (one *sibling) weight() int {
	return setWeight + 2*len(one.raw) + itemWeight*len(one.index.items) + setSize*len(one.index.sets)
}

// buffer is memory for a part of a file; freeing gives it back.
func (s *Siblings) buffer() (b *[]byte, free func()) {
	if s == nil {
		return new([]byte), func() {}
	}
	b, ok := s.buffers.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	return b, func() { s.buffers.Put(b) }
}
