package pydb

import (
	"unicode/utf16"
	"unicode/utf8"
)

// scanner takes JSON (RFC 8259) apart from its front. After a mistake in the text
// failed is true and stays so. What is returned are parts of the text or of
// scratch, so that nothing is allocated for a key.
type scanner struct {
	b       []byte
	i       int
	failed  bool
	lossy   bool // a string had bytes or surrogates that are no text
	scratch []byte
}

func (s *scanner) fail() { s.failed = true }

// peek is the next byte that is no white space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// is takes c if it comes next.
func (s *scanner) is(c byte) bool {
	if s.failed || s.peek() != c || s.i == len(s.b) {
		return false
	}
	s.i++
	return true
}

// want takes c, which must come next.
func (s *scanner) want(c byte) {
	if !s.is(c) {
		s.fail()
	}
}

// end tells whether nothing is left.
func (s *scanner) end() bool { return !s.failed && s.peek() == 0 && s.i == len(s.b) }

// list calls each for every element between open and its counterpart.
func (s *scanner) list(open, end byte, each func()) {
	s.want(open)
	if s.is(end) {
		return
	}
	for !s.failed {
		each()
		if s.is(end) {
			return
		}
		s.want(',')
	}
}

// str takes a string.
func (s *scanner) str() []byte {
	s.want('"')
	if s.failed {
		return nil
	}
	// Most of a file's bytes pass here: what the loop needs is kept out of s.
	b, begin := s.b, s.i
	for i := begin; i < len(b); i++ {
		c := b[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			continue
		}
		switch {
		case c == '"':
			s.i = i + 1
			return b[begin:i]
		case c < ' ':
			s.i = i
			s.fail()
			return nil
		}
		s.i = i
		return s.decoded(begin)
	}
	s.i = len(b)
	s.fail()
	return nil
}

// decoded is str for a string that is not what it stands for.
func (s *scanner) decoded(begin int) []byte {
	from := len(s.scratch)
	s.scratch = append(s.scratch, s.b[begin:s.i]...)
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.scratch[from:len(s.scratch):len(s.scratch)]
		case c < ' ':
			s.fail()
			return nil
		case c == '\\':
			s.i++
			s.escape()
		case c < utf8.RuneSelf:
			s.scratch = append(s.scratch, c)
			s.i++
		default:
			r, n := utf8.DecodeRune(s.b[s.i:])
			s.append(r, r == utf8.RuneError && n == 1)
			s.i += n
		}
	}
	s.fail()
	return nil
}

func (s *scanner) append(r rune, lossy bool) {
	s.scratch = utf8.AppendRune(s.scratch, r)
	s.lossy = s.lossy || lossy
}

// escapes are the characters that one letter stands for.
var escapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape takes what follows a backslash.
func (s *scanner) escape() {
	if s.i == len(s.b) {
		return // the string has no end: decoded sees it
	}
	c := s.b[s.i]
	s.i++
	if c != 'u' {
		if escapes[c] == 0 {
			s.i = len(s.b)
			return
		}
		s.scratch = append(s.scratch, escapes[c])
		return
	}
	r, ok := s.hex(s.i)
	if !ok {
		s.i = len(s.b)
		return
	}
	s.i += 4
	if !utf16.IsSurrogate(r) {
		s.append(r, false)
		return
	}
	if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
		if low, ok := s.hex(s.i + 2); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				s.i += 6
				s.append(pair, false)
				return
			}
		}
	}
	s.append(utf8.RuneError, true) // half of a pair
}

// hex is the number that the four digits at i are.
func (s *scanner) hex(i int) (r rune, ok bool) {
	if i+4 > len(s.b) {
		return 0, false
	}
	for _, c := range s.b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
