package pydb

import "bytes"

// scalar takes a value that a label can have. A number is its text, null is empty.
// ok is false after a list or an object, which are passed over.
func (s *scanner) scalar() (text []byte, ok bool) {
	switch c := s.peek(); c {
	case '"':
		return s.str(), true
	case '[', '{':
		s.skip(c, maxDepth)
		return nil, false
	case 't':
		return s.word("true"), true
	case 'f':
		return s.word("false"), true
	case 'n':
		s.word("null")
		return nil, true
	}
	return s.number(), true
}

// maxDepth bounds how deep the lists in a key may nest.
const maxDepth = 1000

// skip passes over a list or an object.
func (s *scanner) skip(open byte, depth int) {
	if depth == 0 {
		s.fail()
		return
	}
	value := func() {
		if c := s.peek(); c == '[' || c == '{' {
			s.skip(c, depth-1)
			return
		}
		s.scalar()
	}
	if open == '[' {
		s.list('[', ']', value)
		return
	}
	s.list('{', '}', func() {
		s.str()
		s.want(':')
		value()
	})
}

func (s *scanner) word(w string) []byte {
	if s.failed || !bytes.HasPrefix(s.b[s.i:], []byte(w)) {
		s.fail()
		return nil
	}
	s.i += len(w)
	return s.b[s.i-len(w) : s.i]
}

// number takes a number and returns its text.
func (s *scanner) number() []byte {
	s.peek()
	begin := s.i
	s.take("-")
	if !s.take("0") && s.digits() == 0 {
		s.fail()
	}
	if s.take(".") && s.digits() == 0 {
		s.fail()
	}
	if s.take("eE") {
		s.take("+-")
		if s.digits() == 0 {
			s.fail()
		}
	}
	return s.b[begin:s.i]
}

// take takes a byte if it is one of set.
func (s *scanner) take(set string) bool {
	if s.i < len(s.b) && bytes.IndexByte([]byte(set), s.b[s.i]) >= 0 {
		s.i++
		return true
	}
	return false
}

func (s *scanner) digits() (n int) {
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
		n++
	}
	return n
}
