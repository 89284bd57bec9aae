package mmapstore

import (
	"errors"
	"maps"
	"slices"
	"testing"
)

const (
	beforeKey = `hits_total{at="before"}`
	behindKey = `hits_total{at="behind"}`
)

// damaged is a file and what its reader must make of it.
type damaged struct {
	name   string
	file   []byte
	err    error  // nil: no error at all
	reason string // the label value under which it is counted
	offset int64  // of the damage
	before bool   // the series before the damage is served
	behind bool   // and the one behind it
	others int    // and so many besides
	checks int    // faults that Check finds beside those of reading
}

// assert holds Open, Refresh, Load and Check of one damaged file to the row.
func (d *damaged) assert(t *testing.T) {
	path := writeFile(t, d.file)
	r, err := Open(path)
	if err != nil {
		d.assertError(t, err)
		if faults := Check(path); len(faults) != 1 {
			t.Errorf("Check of what cannot be opened: %v", faults)
		}
		return
	}
	defer r.Close()
	for range 2 { // damage stays damage
		d.assertError(t, r.Refresh())
	}
	got := contents(t, r)
	want := map[string][]uint64{}
	if d.before {
		want[beforeKey] = []uint64{11, 0}
	}
	if d.behind {
		want[behindKey] = []uint64{22, 0}
	}
	for name, words := range want {
		if !slices.Equal(got[name], words) {
			t.Errorf("%s = %v, want %v", name, got[name], words)
		}
	}
	if len(got) != len(want)+d.others {
		t.Errorf("%d series are served, want %d: %v", len(got), len(want)+d.others, slices.Collect(maps.Keys(got)))
	}
	wantFaults := d.checks
	if d.err != nil {
		wantFaults++
	}
	faults := Check(path)
	if len(faults) != wantFaults {
		t.Errorf("Check found %d faults, want %d: %v", len(faults), wantFaults, faults)
	}
	for _, fault := range faults {
		d.assertCorrupt(t, fault)
	}
}

func (d *damaged) assertError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, d.err) {
		t.Fatalf("error %v, want %v", err, d.err)
	}
	if err == nil {
		return
	}
	if reason := Reason(err); reason != d.reason {
		t.Errorf("%v is counted as %q, want %q", err, reason, d.reason)
	}
	d.assertCorrupt(t, err)
}

func (d *damaged) assertCorrupt(t *testing.T, err error) {
	t.Helper()
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Path == "" {
		t.Fatalf("%v names no place", err)
	}
	if corrupt.Offset != d.offset {
		t.Errorf("%v is at %d, want %d", err, corrupt.Offset, d.offset)
	}
}

func run(t *testing.T, rows []damaged) {
	for _, d := range rows {
		t.Run(d.name, d.assert)
	}
}

// header is a row about the header; edit gets the whole file.
func header(name string, err error, reason string, edit func(b []byte) []byte) damaged {
	return damaged{name: name, file: edit(around(nil).bytes()), err: err, reason: reason}
}

// headerField is a row about a header whose checksum is right.
func headerField(name string, err error, reason string, edit func(h []byte)) damaged {
	f := around(nil)
	edit(f.header)
	return damaged{name: name, file: f.bytes(), err: err, reason: reason}
}

// Property: a damaged header is named by its kind, and nothing of the file is
// believed.
func TestCorruptHeader(t *testing.T) {
	run(t, []damaged{
		header("empty file", ErrNotNative, "native", func(b []byte) []byte { return nil }),
		header("few bytes", ErrNotNative, "native", func(b []byte) []byte { return b[:15] }),
		header("magic", ErrNotNative, "native", func(b []byte) []byte { b[0] = 'P'; return b }),
		header("zeros", ErrNotNative, "native", func(b []byte) []byte { clear(b); return b }),
		header("short header", ErrTruncated, "truncated", func(b []byte) []byte { return b[:200] }),
		header("header alone", ErrTruncated, "truncated", func(b []byte) []byte { return b[:256] }),
		header("half a page", ErrTruncated, "truncated", func(b []byte) []byte { return b[:2048] }),
		header("byte order", ErrByteOrder, "byteorder", func(b []byte) []byte { slices.Reverse(b[8:12]); return b }),
		header("newer major", ErrVersion, "version", func(b []byte) []byte { native.PutUint16(b[12:], 2); return b }),
		header("newer major, cut", ErrVersion, "version", func(b []byte) []byte { native.PutUint16(b[12:], 9); return b[:16] }),
		header("checksum", ErrChecksum, "checksum", func(b []byte) []byte { b[20] ^= 1; return b }),
		header("padding", ErrChecksum, "checksum", func(b []byte) []byte { b[240] ^= 1; return b }),
		headerField("major 0", ErrMalformed, "malformed", func(h []byte) { native.PutUint16(h[12:], 0) }),
		headerField("no id", ErrMalformed, "malformed", func(h []byte) { clear(h[16:32]) }),
		headerField("identity too long", ErrMalformed, "malformed", func(h []byte) { native.PutUint16(h[80:], 129) }),
		headerField("identity not UTF-8", ErrMalformed, "malformed", func(h []byte) { h[82] = 0xff }),
	})
	newer := around(func(f *rawFile) {
		f.record(5, []byte("exemplar"))
		f.record(6, nil)
		f.record(40_000, make([]byte, 1000))
		f.record(1, append(rawFamily(2, 0, "later_total", ""), "a later field"...))
	})
	native.PutUint16(newer.header[14:], 7)
	run(t, []damaged{{name: "newer minor, unknown kinds", file: newer.bytes(), before: true, behind: true}})
}

// Property: a published word that cannot be is damage at its own place, and
// nothing is read on its authority; but 0 is a file just born.
func TestCorruptPublished(t *testing.T) {
	row := func(name string, published uint64, err error, reason string) damaged {
		f := around(nil)
		f.published = published
		return damaged{name: name, file: f.bytes(), err: err, reason: reason, offset: 256}
	}
	born := around(nil).bytes()
	native.PutUint64(born[256:], 0)
	run(t, []damaged{
		row("beyond the end", 2*65536+4, ErrTruncated, "truncated"),
		row("far beyond", 1<<63, ErrTruncated, "truncated"),
		row("all ones", 1<<64-1, ErrTruncated, "truncated"),
		row("in the header", 4092, ErrMalformed, "malformed"),
		row("below the header's words", 8, ErrMalformed, "malformed"),
		row("unaligned", 4098, ErrMalformed, "malformed"),
		{name: "just born", file: born},
	})
}
