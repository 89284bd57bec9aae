package aggregate_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore"
)

// richArchive holds something of everything.
func richArchive(t testing.TB) *aggregate.Archive {
	dead, live := process(1).counter("c", 7, 0.25).dead(), process(2).counter("c", 1, 0)
	dead.histogram("h", []float64{1, 2}, 3.5, 1, 2, 3).gauge("g", mmapstore.All, 4).gauge("l", mmapstore.Latest, 5, 6)
	dead.add(mmapstore.Family{Name: "s", Type: mmapstore.Summary, Help: "ä", Unit: "bytes"}, "a=1,b=2", float(1), 2)
	gone := live.add(mmapstore.Family{Name: "gone", Type: mmapstore.Counter}, "", 9)
	live.remove(gone, 5)
	a := archived(t, aggregate.NewArchive(), []*fake{dead, live}, aggregate.FoldOptions{}, dead)
	for i := range a.Schema.Families {
		if f := &a.Schema.Families[i]; len(f.Bounds) > 0 {
			f.Spelled, f.Partial = []string{"1.0", "2e0"}, true
		}
	}
	a.Absorbed[0].Inode = aggregate.Inode{Dev: 1 << 40, Ino: 7}
	return a
}

// Property: what is encoded comes back whole, and no cut of it does.
func TestArchiveRoundTrip(t *testing.T) {
	a := richArchive(t)
	if len(a.History.Forgotten) != 1 || len(a.Absorbed) != 1 {
		t.Fatalf("not rich: %+v", a.History)
	}
	b := a.Encode()
	again, err := aggregate.DecodeArchive(append(bytes.Clone(b), make([]byte, 5000)...)) // in a larger file
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Encode(), b) {
		t.Error("decoded and encoded again, it is another")
	}
	if !reflect.DeepEqual(again.Schema, a.Schema) || !reflect.DeepEqual(again.Absorbed, a.Absorbed) {
		t.Errorf("decoded %+v, %+v\nof %+v, %+v", again.Schema, again.Absorbed, a.Schema, a.Absorbed)
	}
	if n, err := aggregate.CheckArchive(io.MultiReader(bytes.NewReader(b), neverRead{t})); n != int64(len(b)) || err != nil {
		t.Errorf("checked %d bytes of %d: %v", n, len(b), err)
	}
	for n := range b {
		_, err := aggregate.DecodeArchive(b[:n])
		if _, checked := aggregate.CheckArchive(bytes.NewReader(b[:n])); err == nil || !errors.Is(err, checked) {
			t.Fatalf("%d of %d bytes: %v, checked: %v", n, len(b), err, checked)
		}
	}
}

// neverRead is what stands behind an archive.
type neverRead struct{ t *testing.T }

func (r neverRead) Read([]byte) (int, error) {
	r.t.Error("read on behind the archive")
	return 0, io.EOF
}

// An archive with a text that is none of its bound is refused: readers put these
// texts into the exposition as they are.
func TestArchiveSpellings(t *testing.T) {
	for _, text := range []string{"", "2", "1\"", "NaN", "x", " 1"} {
		a := richArchive(t)
		for i := range a.Schema.Families {
			if f := &a.Schema.Families[i]; len(f.Bounds) > 0 {
				f.Spelled[0] = text
			}
		}
		if _, err := aggregate.DecodeArchive(a.Encode()); !errors.Is(err, mmapstore.ErrMalformed) {
			t.Errorf("%q for 1: %v", text, err)
		}
	}
}

// Property: an archive with a label that the exposition adds by itself is refused:
// twice in one sample, it would make every answer invalid.
func TestArchiveTakenLabels(t *testing.T) {
	for _, label := range []string{"le", "quantile", "__name__"} {
		a := richArchive(t)
		for i := range a.Schema.Series {
			a.Schema.Series[i].Labels = labelSet(label + "=1")
		}
		if _, err := aggregate.DecodeArchive(a.Encode()); !errors.Is(err, mmapstore.ErrMalformed) {
			t.Errorf("%s: %v", label, err)
		}
	}
}

// Property: no single bit can be flipped unnoticed, but for the 8 bytes of the
// header that mean nothing.
func TestArchiveBitFlips(t *testing.T) {
	b := richArchive(t).Encode()
	for bit := range 8 * len(b) {
		b[bit/8] ^= 1 << (bit % 8)
		_, err := aggregate.DecodeArchive(b)
		known := false
		for _, kind := range []error{
			mmapstore.ErrNotNative, mmapstore.ErrByteOrder, mmapstore.ErrVersion, mmapstore.ErrChecksum, mmapstore.ErrTruncated,
		} {
			known = known || errors.Is(err, kind)
		}
		if !known {
			t.Fatalf("bit %d: %v", bit, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
}

// sealed makes any bytes the payload of an archive that passes its checksums.
func sealed(payload []byte) []byte {
	b := slices.Concat(aggregate.NewArchive().Encode()[:aggregate.ArchiveHeaderSize], payload)
	table := crc32.MakeTable(crc32.Castagnoli)
	o := binary.NativeEndian
	o.PutUint64(b[40:], uint64(len(payload)))
	o.PutUint32(b[48:], crc32.Checksum(payload, table))
	o.PutUint32(b[60:], crc32.Checksum(b[:60], table))
	return b
}

// Property: any bytes, with checksums that agree, are decoded or refused in
// memory proportional to their length; what was decoded says the same when encoded
// again, its merge is a valid exposition, and it can be folded.
func FuzzDecodeArchive(f *testing.F) {
	b := richArchive(f).Encode()[aggregate.ArchiveHeaderSize:]
	f.Add(b)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 8 {
		damaged := bytes.Clone(b)
		damaged[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1<<16 {
			return
		}
		_, _ = aggregate.DecodeArchive(payload)
		_, _ = aggregate.CheckArchive(bytes.NewReader(payload))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, err := aggregate.DecodeArchive(sealed(payload))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+uint64(200*len(payload)) {
			t.Fatalf("%d bytes allocated for %d", used, len(payload))
		}
		if err != nil {
			return
		}
		encoded := a.Encode()
		again, err := aggregate.DecodeArchive(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Encode(), encoded) {
			t.Fatal("encoded again, it is another")
		}
		r, err := aggregate.NewMerger(at(noon)).Merge([]aggregate.Source{a.Source("archive", nil), process(1).counter("c", 1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if text := exposition(t, r.Metrics()); fixture.Valid([]byte(text)) != nil {
			t.Fatalf("%v:\n%s", fixture.Valid([]byte(text)), text)
		}
		if _, _, err := aggregate.Fold(a, sources([]*fake{process(1).counter("c", 1, 0)}), nil, aggregate.FoldOptions{Now: at(noon)}); err != nil {
			t.Fatal(err)
		}
	})
}
