//go:build unix

package stock_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore/pydb"
	"github.com/promfold/promfold/mmapstore/rubydb"
	"github.com/promfold/promfold/mmapstore/stock"
)

// clients are the sample directories, and how their files are laid out, which is
// what the reader is not told: bytes behind a key, and whether the key's length
// counts its padding.
var clients = []struct {
	name   string
	behind int
	within bool
}{
	{"client_python-0.16.0", 8, false},
	{"client_python-0.25.0", 16, false},
	{"postmates-0.8.4", 16, false},
	{"ruby-mmap-0.16.2", 8, false},
	{"client_ruby-4.2.5", 16, true},
}

func open(t testing.TB, path, base string) *stock.Reader {
	t.Helper()
	r, err := opener(base)(path, base, stock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// opener is the Open for files of the name.
func opener(base string) func(path, base string, o stock.Options) (*stock.Reader, error) {
	if strings.HasSuffix(base, ".bin") {
		return rubydb.Open
	}
	return pydb.Open
}

// ends are the offsets at which entries end.
func ends(b []byte, behind int, within bool) (offsets []uint32) {
	used := binary.NativeEndian.Uint32(b)
	for off := uint32(8); off < used; {
		n := binary.NativeEndian.Uint32(b[off:])
		if !within {
			n += 8 - (n+4)%8
		}
		off += 4 + n + uint32(behind)
		offsets = append(offsets, off)
	}
	return offsets
}

// Property: whatever a client had written of its file when somebody looked, the
// layout is told right, and all of it is read.
func TestLayoutOfEveryPrefix(t *testing.T) {
	prefixes := 0
	for _, client := range clients {
		dir := filepath.Join(fixture.Unpack(t, client.name), "files")
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			prefixes += readPrefixes(t, path, client.behind, client.within)
		}
	}
	if prefixes < 4000 && !testing.Short() {
		t.Errorf("%d prefixes were read", prefixes)
	}
}

func readPrefixes(t *testing.T, path string, behind int, within bool) int {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	offsets := ends(b, behind, within)
	if testing.Short() && len(offsets) > 30 {
		offsets = offsets[:30]
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, used := range offsets {
		if _, err := f.WriteAt(binary.NativeEndian.AppendUint32(nil, used), 0); err != nil {
			t.Fatal(err)
		}
		r := open(t, path, filepath.Base(path))
		if err := r.Refresh(); err != nil || r.ParsedBytes() != int64(used)-8 {
			t.Fatalf("%s up to %d: %d bytes parsed, %v", filepath.Base(path), used, r.ParsedBytes(), err)
		}
		if s := r.Schema(); len(s.Series) == 0 {
			t.Fatalf("%s up to %d: no series", filepath.Base(path), used)
		}
		r.Close()
	}
	return len(offsets)
}
