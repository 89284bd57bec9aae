package mmapstore

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"
)

// Property: a header that is taken is within the rules and encodes to the bytes
// that it was read from, as far as this version knows them; what is refused is
// refused by a kind of its own, and the same with more bytes behind it.
func FuzzDecodeHeader(f *testing.F) {
	h := goldenHeader
	good := h.encode()
	f.Add(good, true)
	f.Add(good[:100], false)
	f.Add(good[:12], true)
	f.Add([]byte(magic), false)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair && len(b) >= headerSumEnd {
			b = repaired(b)
		}
		h, err := decodeHeader(b[:min(len(b), headerSumEnd)])
		if err != nil {
			if Reason(err) == ReasonIO || errors.Is(err, ErrTruncated) && len(b) >= headerSumEnd {
				t.Fatalf("%d bytes: %v", len(b), err)
			}
			return
		}
		if h.Major == 0 || h.Major > majorVersion || h.ID == (ID{}) || len(h.Identity) > MaxIdentity || !utf8.ValidString(h.Identity) {
			t.Fatalf("%+v", h)
		}
		again := h.encode()
		for _, known := range []struct{ from, to int }{{offMagic, offMajor}, {offID, offFlags}, {offIdentityLen, offIdentity + len(h.Identity)}} {
			if !bytes.Equal(again[known.from:known.to], b[known.from:known.to]) {
				t.Fatalf("bytes %d to %d: % x is read as %+v", known.from, known.to, b, h)
			}
		}
	})
}

// repaired is a header with a magic, byte order and checksum that are right.
func repaired(b []byte) []byte {
	whole := append(bytes.Clone(b), make([]byte, headerSize)...)
	repairSums(whole)
	return whole[:len(b)]
}
