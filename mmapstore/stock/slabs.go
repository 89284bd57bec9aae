package stock

import "strings"

// slabs keep many short texts in a few pieces of memory.
type slabs struct {
	last *strings.Builder
	size int
}

const (
	leastSlab = 512
	mostSlab  = 32 << 10
)

// keep makes a string of b. Strings in one builder share its memory, which is not
// moved as long as what is written fits in.
func (s *slabs) keep(b []byte) string {
	if s.last == nil || s.last.Cap()-s.last.Len() < len(b) {
		s.size = min(max(2*s.size, leastSlab), mostSlab)
		s.last = new(strings.Builder)
		s.last.Grow(max(s.size, len(b)))
	}
	begin := s.last.Len()
	s.last.Write(b)
	return s.last.String()[begin:]
}
