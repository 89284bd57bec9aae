package client

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// What is appended here is byte for byte what encoding/json writes, because that
// is what Hermes' client sends. A fuzz test compares the two.

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string, escaped for HTML as well.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0 // s[from:i] needs no escape
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if !plain(c) {
				b = append(b, s[from:i]...)
				b = appendEscape(b, c)
				from = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + size
		case r == '\u2028' || r == '\u2029': // ends a line in JavaScript
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			from = i + size
		}
		i += size
	}
	return append(append(b, s[from:]...), '"')
}

func plain(c byte) bool {
	switch c {
	case '"', '\\', '<', '>', '&':
		return false
	}
	return c >= ' '
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// The magnitudes outside which ECMAScript, and encoding/json with it, writes an
// exponent.
const (
	leastPlain = 1e-6
	mostPlain  = 1e21
)

// appendFloat appends f, which is finite.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs == 0 || abs >= leastPlain && abs < mostPlain {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	// strconv writes at least two digits of exponent, 1e-09; ECMAScript 1e-9.
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

func finite(f float64) bool {
	return !math.IsInf(f, 0) && !math.IsNaN(f)
}
