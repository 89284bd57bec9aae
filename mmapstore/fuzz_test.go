package mmapstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/promfold/promfold/internal/need"
	"github.com/promfold/promfold/internal/wire"
)

// Property: no bytes make Open, Refresh, Load or Check panic; what is served of
// them keeps the rules of a schema, takes memory in proportion to their length, and
// is the same for another reader. With repair, checksums are made right
// first, so that the fuzzer gets behind them.
func FuzzReader(f *testing.F) {
	golden := around(func(f *rawFile) {
		f.series(1, rawLabels("a", "1"), 1, bits(2))
		f.series(2, rawLabels("b", ""), bits(2), 1, 2, 3)
		f.record(3, rawTombstone(1, f.place(1, 0, 0, 0)))
		f.record(1, rawFamily(3, 3, "level", "Level."))
		f.series(3, nil, 1, 0, 0, bits(3), 4)
		f.record(9, []byte("unknown"))
		f.record(4, native.AppendUint64(nil, 65536))
	})
	text := golden.bytes()[:golden.end()]
	for _, repair := range []bool{false, true} {
		f.Add(text, uint32(2*65536), repair)
		f.Add(text[:300], uint32(300), repair)
		f.Add([]byte("\x89PFMFILE"), uint32(0), repair)
	}
	path := filepath.Join(f.TempDir(), "worker-1-fuzz.pfm")
	f.Fuzz(func(t *testing.T, b []byte, size uint32, repair bool) {
		b = append([]byte(nil), b...)
		if repair {
			repairSums(b)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := int64(size % (4 * ChunkSize)); n > int64(len(b)) {
			if err := os.Truncate(path, n); err != nil {
				t.Fatal(err)
			}
		}
		readAll(t, path)
	})
}

// repairSums makes the checksums of the header and the records right, as far as
// their frames lead.
func repairSums(b []byte) {
	if len(b) < headerSize {
		return
	}
	copy(b, magic)
	native.PutUint32(b[offByteOrder:], byteOrderMark)
	native.PutUint32(b[offHeaderSum:], crc32.Checksum(b[:offHeaderSum], castagnoli))
	for at := headerSize; at+recordHeaderSize <= len(b); {
		n := int(native.Uint32(b[at:]))
		if n < 0 || n > len(b)-at-recordHeaderSize {
			return
		}
		native.PutUint32(b[at+8:], recordSum(native.Uint16(b[at+4:]), b[at+recordHeaderSize:][:n]))
		at += recordHeaderSize + roundUp(n, recordAlign)
	}
}

// readAll puts a file to all uses, and fails if what is served breaks a rule.
func readAll(t *testing.T, path string) {
	faults := Check(path)
	r, err := Open(path)
	if err != nil {
		if Reason(err) == "" || len(faults) == 0 {
			t.Fatalf("%v, faults %v", err, faults)
		}
		return
	}
	defer r.Close()
	size, err := r.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	if n := allocated(func() { err = r.Refresh() }); n > 1<<20+uint64(200*size.Size()) {
		t.Fatalf("%d bytes allocated for %d", n, size.Size())
	}
	if (err != nil) != (r.Refresh() != nil) || (err != nil && len(faults) == 0) {
		t.Fatalf("first refresh %v, faults %v", err, faults)
	}
	s := r.Schema()
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatalf("load of a file that nobody cuts: %v", err)
	}
	compareReaders(t, path, &s, words)
	if _, err := r.Dropped(); err != nil {
		t.Fatal(err)
	}
	_ = r.Probe()
	assertSchema(t, &s)
}

// compareReaders holds what one reader has to what another finds.
func compareReaders(t *testing.T, path string, s *Schema, words []uint64) {
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_ = r.Refresh()
	again := r.Schema()
	wanted := make([]uint64, again.Words)
	if err := r.Load(wanted); err != nil || !reflect.DeepEqual(*s, again) || !slices.Equal(words, wanted) {
		t.Fatalf("one reader has %+v %v\nanother, with %v, %+v %v", *s, words, err, again, wanted)
	}
}

// assertSchema holds a schema to what merges rely on. Series may share words where a
// file says that they share cells.
func assertSchema(t *testing.T, s *Schema) {
	given := 0
	for i := range s.Series {
		series := &s.Series[i]
		f := &s.Families[series.Family]
		if err := f.Validate(); err != nil {
			t.Fatalf("series of a family that should have been refused: %v", err)
		}
		if series.Word < 0 || series.Word+f.WordCount(1) > s.Words {
			t.Fatalf("words from %d on, of %d", series.Word, s.Words)
		}
		if given += f.WordCount(1); given > MaxWords {
			t.Fatalf("%d words of all series", given)
		}
		assertCanonical(t, series.Labels)
	}
	for _, stone := range s.Tombstones {
		if stone.Series >= len(s.Series) || stone.Word+lifeWords > s.Words {
			t.Fatalf("tombstone %+v", stone)
		}
	}
}

func assertCanonical(t *testing.T, l Labels) {
	again, err := EncodeLabels(l.Pairs())
	if err != nil || again != l {
		t.Fatalf("labels %q become %q, %v", string(l), string(again), err)
	}
}

// Property: a record that is taken is the one that encoding makes.
func FuzzDecodeRecord(f *testing.F) {
	f.Add(encodeRecord(kindSeries, []byte("body")))
	f.Add(encodeRecord(kindNext, make([]byte, 8)))
	f.Add([]byte{255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := wire.Decoder{B: b}
		kind, body, err := decodeRecord(&d)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrChecksum) {
				t.Fatal(err)
			}
			return
		}
		again := encodeRecord(kind, body)
		if taken := len(b) - len(d.B); taken != len(again) || !bytes.HasPrefix(b, again[:recordHeaderSize+len(body)]) {
			t.Fatalf("record % x is read as % x", b[:taken], again)
		}
	})
}

// Property: a family that is taken keeps the rules and encodes to the bytes it
// came from, but for fields of later versions behind them.
func FuzzDecodeFamily(f *testing.F) {
	for _, family := range goldenFamilies {
		f.Add(encodeFamily(&family))
	}
	f.Add(rawFamily(4, 0, "x", "", ascending(100)...))
	f.Fuzz(func(t *testing.T, body []byte) {
		family, err := decodeFamily(body)
		if err != nil {
			if Reason(err) == "io" {
				t.Fatal(err)
			}
			return
		}
		if err := family.Validate(); err != nil || !bytes.HasPrefix(body, encodeFamily(&family)) {
			t.Fatalf("% x is read as %+v: %v", body, family, err)
		}
	})
}

// Property: a series or tombstone that is taken encodes to the bytes it came
// from, and its labels are canonical.
func FuzzDecodeSeries(f *testing.F) {
	f.Add(rawSeries(1, 65536, rawLabels("a", "1", "b", "ä")))
	f.Add(rawSeries(1, 65536, rawLabels("b", "1", "a", "\xff")))
	f.Add(rawTombstone(1, 65536))
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, err := decodeSeries(body); err == nil {
			assertCanonical(t, s.labels)
			if !bytes.Equal(body, s.encode()) {
				t.Fatalf("% x is read as %+v", body, s)
			}
		} else if Reason(err) == "io" {
			t.Fatal(err)
		}
		if s, err := decodeTombstone(body); err == nil && !bytes.HasPrefix(body, s.encode()) {
			t.Fatalf("% x is read as %+v", body, s)
		}
	})
}

// Property: a reader beside a hand that writes over the file and cuts it gets
// errors at worst, and never serves what breaks the rules.
func FuzzReaderBesideMutation(f *testing.F) {
	f.Add([]byte("seeds of mutations"), uint64(1))
	f.Add([]byte{}, uint64(2))
	path := filepath.Join(f.TempDir(), "worker-1-fuzz.pfm")
	whole := around(func(f *rawFile) {
		for i := range 50 {
			f.series(0, rawLabels("i", string(rune('a'+i))), 1, 0)
		}
		f.record(1, rawFamily(3, 3, "level", ""))
		f.series(3, nil, 1, 0, 0, bits(3), 4)
	}).bytes()
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		_ = os.Remove(path)
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			mutate(path, text, rand.New(rand.NewPCG(seed, 0)))
		}()
		readUntil(t, path, done)
		<-done
	})
}

// mutate writes text over places of the file, flips bytes of it and cuts it.
func mutate(path string, text []byte, rnd *rand.Rand) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer file.Close()
	for range 60 {
		off := rnd.Int64N(8192)
		if rnd.IntN(3) == 0 {
			off = rnd.Int64N(3 * ChunkSize)
		}
		switch rnd.IntN(6) {
		case 0:
			_ = file.Truncate(off)
		case 1:
			_ = file.Truncate(2 * ChunkSize)
		case 2:
			_, _ = file.WriteAt(binary.NativeEndian.AppendUint64(nil, rnd.Uint64N(4*ChunkSize)), offPublished)
		case 3:
			_, _ = file.WriteAt(text, off)
		default:
			_, _ = file.WriteAt([]byte{byte(rnd.Uint32())}, off)
		}
	}
}

func readUntil(t *testing.T, path string, done <-chan struct{}) {
	for {
		if r, err := Open(path); err == nil {
			for range 3 {
				_ = r.Refresh()
				s := r.Schema()
				_ = r.Load(make([]uint64, s.Words))
				_ = r.Probe()
				assertSchema(t, &s)
			}
			r.Close()
		}
		_ = Check(path)
		select {
		case <-done:
			return
		default:
		}
	}
}

// Property: as FuzzReaderBesideMutation, for some hundred hands.
func TestReaderBesideMutation(t *testing.T) {
	need.Machine(t, noFaultAddress)
	path := filepath.Join(t.TempDir(), "worker-1-mutated.pfm")
	whole := around(func(f *rawFile) { f.series(1, nil, 1, bits(1)) }).bytes()
	for seed := range uint64(200) {
		_ = os.Remove(path)
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			mutate(path, []byte("text"), rand.New(rand.NewPCG(seed, 1)))
		}()
		readUntil(t, path, done)
	}
}
