package mmapstore

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// whole is a row about a record that is whole and breaks a rule: it costs
// itself alone.
func whole(name string, err error, reason string, damage func(f *rawFile)) damaged {
	f := around(damage)
	return damaged{name: name, file: f.bytes(), err: err, reason: reason, offset: f.at, before: true, behind: true}
}

// broken is a row about a frame that hides where the next record begins.
func broken(name string, err error, reason string, damage func(f *rawFile)) damaged {
	d := whole(name, err, reason, damage)
	d.behind = false
	return d
}

// Property: a broken frame ends the schema there; what came before is served.
func TestCorruptFrames(t *testing.T) {
	body := rawFamily(2, 0, "x_total", "")
	n, sum := uint32(len(body)), rawSum(1, body)
	next := func(to func(f *rawFile) uint64) func(f *rawFile) {
		return func(f *rawFile) { f.record(4, native.AppendUint64(nil, to(f))) }
	}
	at := func(off uint64) func(f *rawFile) uint64 { return func(*rawFile) uint64 { return off } }
	run(t, []damaged{
		broken("length beyond the records", ErrMalformed, "malformed", func(f *rawFile) { f.frame(5000, 1, 0, sum, body) }),
		broken("length near 2^32", ErrMalformed, "malformed", func(f *rawFile) { f.frame(1<<32-1, 1, 0, sum, body) }),
		broken("length of 2^31", ErrMalformed, "malformed", func(f *rawFile) { f.frame(1<<31, 1, 0, sum, body) }),
		broken("length too small", ErrChecksum, "checksum", func(f *rawFile) { f.frame(n-1, 1, 0, sum, body) }),
		broken("length 0", ErrChecksum, "checksum", func(f *rawFile) { f.frame(0, 1, 0, sum, body) }),
		broken("kind", ErrChecksum, "checksum", func(f *rawFile) { f.frame(n, 2, 0, sum, body) }),
		broken("zero field", ErrMalformed, "malformed", func(f *rawFile) { f.frame(n, 1, 1, sum, body) }),
		broken("checksum", ErrChecksum, "checksum", func(f *rawFile) { f.frame(n, 1, 0, sum^1, body) }),
		broken("body", ErrChecksum, "checksum", func(f *rawFile) {
			f.record(1, body)
			f.schema[len(f.schema)-int(n)] ^= 0x80
		}),
		broken("hole", ErrChecksum, "checksum", func(f *rawFile) { f.frame(0, 0, 0, 0, nil) }),
		broken("next leads to itself", ErrMalformed, "malformed", next(func(f *rawFile) uint64 { return uint64(f.end()) })),
		broken("next leads back", ErrMalformed, "malformed", next(at(0))),
		broken("next is unaligned", ErrMalformed, "malformed", next(at(65536+4))),
		broken("next is beyond what is published", ErrMalformed, "malformed", next(at(65536))),
		broken("next is beyond the file", ErrMalformed, "malformed", next(at(1<<40))),
		broken("next near 2^64", ErrMalformed, "malformed", next(at(1<<64-65536))),
		broken("next without offset", ErrMalformed, "malformed", func(f *rawFile) { f.record(4, []byte{1}) }),
	})
}

// Property: a family that breaks a rule is left out, with its series; numbers
// and the others stand.
func TestCorruptFamilies(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	row := func(name string, err error, reason string, body []byte) damaged {
		return whole(name, err, reason, func(f *rawFile) { f.record(1, body) })
	}
	run(t, []damaged{
		row("type 0", ErrMalformed, "malformed", rawFamily(0, 0, "x", "")),
		row("type 8", ErrMalformed, "malformed", rawFamily(8, 0, "x", "")),
		row("mode 11", ErrMalformed, "malformed", rawFamily(3, 11, "x", "")),
		row("gauge without mode", ErrMalformed, "malformed", rawFamily(3, 0, "x", "")),
		row("counter with mode", ErrMalformed, "malformed", rawFamily(2, 5, "x", "")),
		row("no name", ErrMalformed, "malformed", rawFamily(2, 0, "", "")),
		row("name too long", ErrLimit, "limit", rawFamily(2, 0, strings.Repeat("x", 1025), "")),
		row("help too long", ErrLimit, "limit", rawFamily(2, 0, "x", strings.Repeat("x", 16385))),
		row("name not UTF-8", ErrMalformed, "malformed", rawFamily(2, 0, "x\xff", "")),
		row("help not UTF-8", ErrMalformed, "malformed", rawFamily(2, 0, "x", "\xc3")),
		row("counter with bounds", ErrMalformed, "malformed", rawFamily(2, 0, "x", "", 1)),
		row("bound NaN", ErrMalformed, "malformed", rawFamily(4, 0, "x", "", 1, nan)),
		row("bound +Inf", ErrMalformed, "malformed", rawFamily(4, 0, "x", "", 1, inf)),
		row("bounds descend", ErrMalformed, "malformed", rawFamily(4, 0, "x", "", 2, 1)),
		row("bounds repeat", ErrMalformed, "malformed", rawFamily(4, 0, "x", "", 1, 1)),
		row("too many bounds", ErrLimit, "limit", rawFamily(4, 0, "x", "", ascending(4097)...)),
		row("bounds by the billion", ErrLimit, "limit",
			native.AppendUint32(rawFamily(4, 0, "x", "")[:9], 1<<32-1)),
		row("bounds cut", ErrMalformed, "malformed", rawFamily(4, 0, "x", "", 1, 2)[:20]),
		row("name cut", ErrMalformed, "malformed", []byte{2, 0, 200, 0, 'x'}),
		row("empty", ErrMalformed, "malformed", nil),
	})
}

func ascending(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(i)
	}
	return v
}

// Property: a series that breaks a rule is left out, and later ones keep their
// numbers.
func TestCorruptSeries(t *testing.T) {
	row := func(name string, err error, reason string, body []byte) damaged {
		return whole(name, err, reason, func(f *rawFile) { f.record(2, body) })
	}
	labels := func(name string, b []byte) damaged {
		return row("labels "+name, ErrMalformed, "malformed", rawSeries(0, 65536+4096, b))
	}
	run(t, []damaged{
		row("unknown family", ErrMalformed, "malformed", rawSeries(3, 65536, nil)),
		row("family 2^32-1", ErrMalformed, "malformed", rawSeries(1<<32-1, 65536, nil)),
		row("cells unaligned", ErrMalformed, "malformed", rawSeries(0, 65540, nil)),
		row("cells in the header", ErrMalformed, "malformed", rawSeries(0, 256, nil)),
		row("cells in the first schema chunk", ErrMalformed, "malformed", rawSeries(0, 65528, nil)),
		row("cells at the end", ErrTruncated, "truncated", rawSeries(0, 2*65536, nil)),
		row("cells over the end", ErrTruncated, "truncated", rawSeries(0, 2*65536-8, nil)),
		row("a histogram over the end", ErrTruncated, "truncated", rawSeries(2, 2*65536-16, nil)),
		row("cells beyond 2^32", ErrTruncated, "truncated", rawSeries(0, 1<<32+65536, nil)),
		row("cells near 2^64", ErrTruncated, "truncated", rawSeries(0, 1<<64-8, nil)),
		row("cells at 2^63", ErrTruncated, "truncated", rawSeries(0, 1<<63, nil)),
		row("cut", ErrMalformed, "malformed", rawSeries(0, 65536, nil)[:19]),
		row("empty", ErrMalformed, "malformed", nil),
		labels("unsorted", rawLabels("b", "1", "a", "2")),
		labels("repeated", rawLabels("a", "1", "a", "2")),
		labels("without a name", rawLabels("", "1")),
		labels("with a name not UTF-8", rawLabels("\xff", "1")),
		labels("with a value not UTF-8", rawLabels("a", "\xff")),
		labels("without a value", rawLabels("a")),
		labels("cut", rawLabels("a", "long")[:6]),
		labels("of one byte", []byte{1}),
		labels("longer than the record", []byte{0xff, 0xff, 'a'}),
		row("labels over the cap", ErrLimit, "limit", rawSeries(0, 65536, rawLabels("a", strings.Repeat("x", 32<<10)))),
	})
}

// Property: a refused family or series keeps its number, and takes with it only
// what refers to it.
func TestRefusedRecordsKeepTheirNumbers(t *testing.T) {
	f := around(func(f *rawFile) {
		f.record(1, rawFamily(9, 0, "refused", ""))
		f.record(2, rawSeries(3, 65536+4096, nil)) // of the refused family
		f.record(3, rawTombstone(1, 65536+8192))   // of the refused series
		f.record(1, rawFamily(3, 5, "heat", ""))
		f.series(4, rawLabels("of", "heat"), 1, bits(2.5))
		f.record(3, rawTombstone(2, f.place(1, 0, 0, 0)))
	})
	r, err := Open(writeFile(t, f.bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if faults := splitJoined(r.Refresh()); len(faults) != 2 {
		t.Errorf("faults %v, want the family and its series", faults)
	}
	got := contents(t, r)
	if words := got[`heat{of="heat"}`]; len(got) != 3 || !slices.Equal(words, []uint64{1, bits(2.5)}) {
		t.Errorf("contents %v", got)
	}
	s := r.Schema()
	if len(s.Tombstones) != 1 || s.Series[s.Tombstones[0].Series].Labels.Get("of") != "heat" {
		t.Errorf("tombstones %v", s.Tombstones)
	}
}

// Property: a tombstone without a series, or with a bad place, is left out; a
// series has one at most.
func TestCorruptTombstones(t *testing.T) {
	row := func(name string, err error, reason string, body []byte) damaged {
		return whole(name, err, reason, func(f *rawFile) { f.record(3, body) })
	}
	run(t, []damaged{
		row("unknown series", ErrMalformed, "malformed", rawTombstone(1, 65536+4096)),
		row("series 2^32-1", ErrMalformed, "malformed", rawTombstone(1<<32-1, 65536+4096)),
		row("life unaligned", ErrMalformed, "malformed", rawTombstone(0, 65536+4097)),
		row("life in the schema", ErrMalformed, "malformed", rawTombstone(0, 4096)),
		row("life over the end", ErrTruncated, "truncated", rawTombstone(0, 2*65536-24)),
		row("cut", ErrMalformed, "malformed", rawTombstone(0, 65536)[:11]),
		whole("second of a series", ErrMalformed, "malformed", func(f *rawFile) {
			f.record(3, rawTombstone(0, f.place(0, 0, 0, 0)))
			f.record(3, rawTombstone(0, f.place(0, 0, 0, 0)))
		}),
	})
}

// Property: Check finds what a reader cannot afford to look for: what is read
// is served as it lies there.
func TestCheckFinds(t *testing.T) {
	row := func(name string, damage func(f *rawFile) (offset uint64)) damaged {
		var offset uint64
		f := around(func(f *rawFile) { offset = damage(f) })
		return damaged{
			name: name, file: f.bytes(), before: true, behind: true,
			offset: int64(offset), others: 1, checks: 1,
		}
	}
	counter := func(v float64) func(f *rawFile) uint64 {
		return func(f *rawFile) uint64 {
			off := f.place(1, bits(v))
			f.record(2, rawSeries(0, off, rawLabels("at", "it")))
			return off
		}
	}
	duplicate := row("series twice", func(f *rawFile) uint64 {
		off := f.place(11, 0)
		f.record(2, rawSeries(0, off, rawLabels("at", "before")))
		return off
	})
	duplicate.others = 0 // of the same name
	run(t, []damaged{
		row("cells used twice", func(f *rawFile) uint64 {
			f.record(2, rawSeries(0, 65536, rawLabels("at", "it")))
			return 65536
		}),
		row("cells overlap", func(f *rawFile) uint64 {
			f.place(0, 0)
			f.record(2, rawSeries(1, 65536+8, nil))
			return 65536 + 8
		}),
		row("negative counter", counter(-1)),
		row("counter NaN", counter(math.NaN())),
		row("counter +Inf", counter(math.Inf(1))),
		duplicate,
	})
}
