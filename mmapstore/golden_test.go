package mmapstore

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

const goldenPath = "testdata/golden.hex"

var goldenHeader = Header{
	ID: ID{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
	Process: Process{
		PID: 4242, StartTicks: 123_456, PIDNamespace: 4_026_531_836,
		BootID: [16]byte{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	},
	Created: time.Unix(1_700_000_000, 7),
}

// goldenFamilies has every type, and every shape of cells.
var goldenFamilies = []Family{
	counterFamily, gaugeFamily, latestFamily, histFamily, summaryFamily,
	{Name: "legacy", Type: Untyped},
	{Name: "build_info", Type: Info, Mode: Max},
	{Name: "phase", Type: StateSet, Mode: LiveSum},
}

// goldenWords is what a reader of the golden file loads, by hand.
var goldenWords = map[string][]uint64{
	`hits_total{code="200"}`:    {7, 0x3fd0000000000000},                  // 7 + 0.25
	`hits_total{code="500"}`:    {3, 0},                                   // deleted
	`temp{}`:                    {1, 0xc008000000000000},                  // -3
	`level{room="ä"}`:           {1, 0x4000000000000000, 1_700_000_000e9}, // 2, of two sets
	`wait_seconds{q="\""}`:      {0x4023000000000000, 1, 2, 3, 4},         // sum 9.5
	`size_bytes{}`:              {0x4028000000000000, 3},                  // sum 12
	`legacy{}`:                  {0, 0x3ff8000000000000},                  // 1.5
	`build_info{version="1.0"}`: {1, 0x3ff0000000000000},                  // 1
	`phase{state="idle"}`:       {0, 0},                                   // never set
}

// writeGolden makes the file whose bytes are in testdata.
func writeGolden(t *testing.T) string {
	t.Helper()
	w, err := create(t.TempDir(), goldenHeader, WriterOptions{Identity: "web-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	numbers := make([]int, len(goldenFamilies))
	for i, f := range goldenFamilies {
		numbers[i] = mustFamily(t, w, f)
	}
	put := func(family int, pairs string, values ...uint64) Slot {
		var ls []string
		if pairs != "" {
			ls = strings.SplitN(pairs, "=", 2)
		}
		s := mustSeries(t, w, numbers[family], ls...)
		for i, v := range values {
			s.Cells[i].Store(v)
		}
		return s
	}
	put(0, "code=200", 7, bits(0.25))
	gone := put(0, "code=500", 3)
	put(1, "", 1, bits(-3))
	level := put(2, "room=ä").Cells
	SetLatest(level, 1, 1_600_000_000e9)
	SetLatest(level, 2, 1_700_000_000e9)
	put(3, `q="`, bits(9.5), 1, 2, 3, 4)
	put(4, "", bits(12), 3)
	put(5, "", 0, bits(1.5))
	put(6, "version=1.0", 1, bits(1))
	put(7, "state=idle")
	if err := w.delete(gone, time.Unix(1_700_000_001, 0)); err != nil {
		t.Fatal(err)
	}
	w.CountDropped()
	return w.Path()
}

// dumpHex prints bytes 16 to a line, leaving out lines of zeros; the last line
// is the size.
func dumpHex(b []byte) string {
	var out strings.Builder
	for off := 0; off < len(b); off += 16 {
		line := b[off:min(off+16, len(b))]
		if !bytes.Equal(line, make([]byte, len(line))) {
			fmt.Fprintf(&out, "%08x  % x\n", off, line)
		}
	}
	fmt.Fprintf(&out, "%08x\n", len(b))
	return out.String()
}

// parseHex is the inverse of dumpHex.
func parseHex(t *testing.T, text string) []byte {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var size int
	if _, err := fmt.Sscanf(lines[len(lines)-1], "%x", &size); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	for _, line := range lines[:len(lines)-1] {
		offset, rest, _ := strings.Cut(line, "  ")
		var off int
		if _, err := fmt.Sscanf(offset, "%x", &off); err != nil {
			t.Fatal(err)
		}
		p, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		copy(b[off:], p)
	}
	return b
}

func goldenBytes(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	return parseHex(t, string(text))
}

func skipUnlessLittleEndian(t *testing.T) {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the golden file is of a little-endian machine")
	}
}

// Property: the writer's bytes are those in testdata, to the last one.
func TestWriterWritesGoldenBytes(t *testing.T) {
	skipUnlessLittleEndian(t)
	b, err := os.ReadFile(writeGolden(t))
	if err != nil {
		t.Fatal(err)
	}
	got := dumpHex(b)
	if *update {
		if err := os.WriteFile(goldenPath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	old := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(old) || line != old[i] {
			t.Fatalf("line %d is %q; if that is meant, raise the version and run with -update", i+1, line)
		}
	}
	t.Fatal("the file ends early")
}

// Property: a reader gets out of the golden bytes what was put in, even after
// the writer has changed.
func TestReaderReadsGoldenBytes(t *testing.T) {
	skipUnlessLittleEndian(t)
	path := filepath.Join(t.TempDir(), "golden.pfm")
	if err := os.WriteFile(path, goldenBytes(t), 0o600); err != nil {
		t.Fatal(err)
	}
	r := mustOpen(t, path)
	want := goldenHeader
	want.Major, want.Identity, want.Locked = 1, "web-1", true
	if h := r.Header(); !h.Created.Equal(want.Created) || h.Process != want.Process || h.ID != want.ID ||
		h.Major != want.Major || h.Minor != want.Minor || h.Identity != want.Identity || h.Locked != want.Locked {
		t.Errorf("header %+v, want %+v", h, want)
	}
	if got := contents(t, r); !maps.EqualFunc(got, goldenWords, slices.Equal) {
		t.Errorf("contents %v, want %v", got, goldenWords)
	}
	s := r.Schema()
	for i, f := range s.Families {
		if fmt.Sprint(f) != fmt.Sprint(goldenFamilies[i]) {
			t.Errorf("family %+v, want %+v", f, goldenFamilies[i])
		}
	}
	for _, series := range s.Series {
		if series.Created != 1e9 {
			t.Errorf("%v was created at %d", series.Labels, series.Created)
		}
	}
	words := make([]uint64, s.Words)
	if err := r.Load(words); err != nil {
		t.Fatal(err)
	}
	if len(s.Tombstones) != 1 || s.Series[s.Tombstones[0].Series].Labels.Get("code") != "500" {
		t.Fatalf("tombstones %+v", s.Tombstones)
	}
	life := words[s.Tombstones[0].Word:][:lifeWords]
	if !slices.Equal(life, []uint64{1, 0, 1_700_000_001e9, 0}) {
		t.Errorf("life cell %v", life)
	}
	if n, err := r.Dropped(); n != 1 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	if faults := Check(path); len(faults) != 0 {
		t.Errorf("faults %v", faults)
	}
}
