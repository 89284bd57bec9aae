package mmapstore

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/need"
)

// Property: what is no regular file is refused by that name, and nothing waits
// for it. (A FIFO without a writer would keep a plain open waiting for ever.)
func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	good := writeFile(t, around(nil).bytes())
	if err := errors.Join(
		os.Symlink(good, in("symlink")),
		os.Symlink("nowhere", in("dangling")),
		unix.Mkfifo(in("fifo"), 0o600),
		os.Mkdir(in("directory"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", in("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, path := range []string{
		in("symlink"), in("dangling"), in("fifo"), in("directory"), in("socket"), "/dev/null", "/dev/zero",
	} {
		r, err := Open(path)
		if r != nil || !errors.Is(err, ErrNotRegular) || Reason(err) != "notregular" {
			t.Errorf("%s: %v, counted as %q", path, err, Reason(err))
		}
		if faults := Check(path); len(faults) != 1 {
			t.Errorf("%s: faults %v", path, faults)
		}
	}
	r, err := Open(in("absent"))
	if r != nil || !errors.Is(err, os.ErrNotExist) || Reason(err) != "io" {
		t.Errorf("absent: %v, counted as %q", err, Reason(err))
	}
}

// Property: what the file system says is not taken for damage of the file.
func TestIOErrorIsNoCorruption(t *testing.T) {
	r := mustOpen(t, writeFile(t, around(nil).bytes()))
	words := make([]uint64, r.Schema().Words)
	r.f.Close() // under the reader: every call now answers EBADF or the like
	var corrupt *CorruptError
	for name, err := range map[string]error{"Refresh": r.Refresh(), "Load": r.Load(words)} {
		if err == nil || errors.As(err, &corrupt) || Reason(err) != "io" {
			t.Errorf("%s: %v, counted as %q", name, err, Reason(err))
		}
	}
}

// noFaultAddress is what qemu-user gets wrong: a fault of a page that is gone
// comes without its address.
const noFaultAddress = "SIGBUS has no address"

// Property: a file that is cut while it is mapped is an error to Refresh, Load
// and Dropped, never a signal; wherever it is cut.
func TestTruncatedWhileMapped(t *testing.T) {
	need.Machine(t, noFaultAddress)
	f := around(func(f *rawFile) { f.cells = make([]byte, 40_000); f.series(0, rawLabels("at", "far"), 1, 0) })
	for _, row := range []struct {
		size    int64
		refresh error // of a Refresh after the cut
		dropped bool  // the header is still there
	}{
		{0, ErrTruncated, false},
		{100, ErrTruncated, true},
		{4096, ErrTruncated, true},
		{4100, ErrTruncated, true},
		{65536, nil, true},
		{65536 + 4096, nil, true},
		{65536 + 40_000, nil, true},
	} {
		path := writeFile(t, f.bytes())
		r := mustOpen(t, path)
		words := make([]uint64, r.Schema().Words)
		if err := r.Load(words); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, row.size); err != nil {
			t.Fatal(err)
		}
		var corrupt *CorruptError
		if err := r.Load(words); !errors.Is(err, ErrTruncated) || !errors.As(err, &corrupt) || corrupt.Offset != row.size {
			t.Errorf("cut to %d: Load says %v", row.size, err)
		}
		if err := r.Refresh(); !errors.Is(err, row.refresh) {
			t.Errorf("cut to %d: Refresh says %v", row.size, err)
		}
		if _, err := r.Dropped(); (err == nil) != row.dropped {
			t.Errorf("cut to %d: Dropped says %v", row.size, err)
		}
	}
}

// Property: a fault in the very act of loading, which no check beforehand can
// rule out, is an error that names the place.
func TestFaultWhileLoading(t *testing.T) {
	need.Machine(t, noFaultAddress)
	path := writeFile(t, around(nil).bytes())
	r := mustOpen(t, path)
	view, runs, err := r.cells.snapshot(r.Schema().Words)
	if err != nil {
		t.Fatal(err)
	}
	defer view.release()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	err = view.load(runs, make([]uint64, r.Schema().Words))
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Offset != 65536 || !errors.Is(err, ErrTruncated) {
		t.Errorf("fault is %v", err)
	}
}

// Property: a published word that goes back, as when somebody clears the header
// of a mapped file, is damage, not a file just born.
func TestPublishedNeverShrinks(t *testing.T) {
	for _, published := range []uint64{0, 4096, 4100} {
		path := writeFile(t, around(nil).bytes())
		r := mustOpen(t, path)
		overwrite(t, path, 256, native.AppendUint64(nil, published))
		if err := r.Refresh(); !errors.Is(err, ErrMalformed) {
			t.Errorf("published went back to %d: %v", published, err)
		}
		if got := contents(t, r); len(got) != 2 {
			t.Errorf("published went back to %d: %v is served", published, got)
		}
	}
}

func overwrite(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// sparse makes a file of a size that has no bytes but b.
func sparse(t *testing.T, b []byte, size int64) string {
	t.Helper()
	path := writeFile(t, b)
	if err := os.Truncate(path, size); err != nil {
		t.Skipf("no sparse file of %d bytes here: %v", size, err)
	}
	return path
}

// Property: the size of a file costs nothing; what it publishes does, up to the
// cap.
func TestSparseTebibyte(t *testing.T) {
	const size = 1 << 40
	for name, row := range map[string]struct {
		published uint64
		err       error
		reason    string
	}{
		"honest":        {0, nil, ""},
		"all published": {size, ErrLimit, "limit"},
		"a hole":        {1 << 29, ErrChecksum, "checksum"},
	} {
		f := around(nil)
		f.published = row.published
		path := sparse(t, f.bytes(), size)
		var err error
		if n := allocated(func() {
			r, openErr := Open(path)
			if openErr != nil {
				t.Fatal(openErr)
			}
			defer r.Close()
			err = r.Refresh()
			contents(t, r)
			Check(path)
		}); n > 4<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
		if !errors.Is(err, row.err) || (err != nil && Reason(err) != row.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := around(func(f *rawFile) { f.record(2, rawSeries(0, 1<<30, nil)) })
	r, err := Open(sparse(t, f.bytes(), size))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Refresh(); !errors.Is(err, ErrLimit) {
		t.Errorf("cells beyond the cap: %v", err)
	}
}

// crowd is a file of n records, in as many chunks as they need.
func crowd(n int, record func(i int) (kind uint16, body []byte)) []byte {
	f := newRawFile()
	f.record(1, rawFamily(4, 0, "h", "", ascending(4096)...))
	f.record(2, rawSeries(0, 65536, nil))
	b := f.bytes()
	at, limit := len(f.schema)+4096, 65536
	var one rawFile
	for i := range n {
		one.schema = one.schema[:0]
		one.record(record(i))
		if at+len(one.schema)+20 > limit {
			next := len(b)
			b = append(b, make([]byte, 65536)...)
			lead := rawFile{}
			lead.record(4, native.AppendUint64(nil, uint64(next)))
			copy(b[at:], lead.schema)
			at, limit = next, next+65536
		}
		at += copy(b[at:], one.schema)
	}
	native.PutUint64(b[256:], uint64(at))
	return b
}

// Property: no number of records makes a reader remember more than the caps,
// nor more than a hundred faults.
func TestCaps(t *testing.T) {
	for _, row := range []struct {
		name     string
		records  int
		record   func(i int) (uint16, []byte)
		families int
		series   int
		err      error
		most     uint64 // bytes that Refresh may allocate
	}{
		{"families", 100_000, func(int) (uint16, []byte) { return 1, rawFamily(2, 0, "x_total", "") },
			MaxFamilies, 1, ErrLimit, 40 << 20},
		{"refused families", 100_000, func(int) (uint16, []byte) { return 1, nil },
			MaxFamilies, 1, ErrMalformed, 40 << 20},
		{"series", MaxSeries + 1000, func(i int) (uint16, []byte) {
			if i == 0 {
				return 1, rawFamily(2, 0, "x_total", "")
			}
			return 2, rawSeries(1, 65536, nil)
		}, 2, MaxSeries, ErrLimit, 600 << 20},
		{"words", 10_000, func(int) (uint16, []byte) { return 2, rawSeries(0, 65536, nil) },
			1, MaxWords / 4098, ErrLimit, 40 << 20},
		{"tombstones", 100_000, func(int) (uint16, []byte) { return 3, rawTombstone(0, 65536) },
			1, 1, ErrMalformed, 40 << 20},
	} {
		path := writeFile(t, crowd(row.records, row.record))
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		n := allocated(func() { err = r.Refresh() })
		s := r.Schema()
		if len(s.Families) != row.families || len(s.Series) != row.series || s.Words > MaxWords || len(s.Tombstones) > 1 {
			t.Errorf("%s: %d families, %d series, %d tombstones, %d words",
				row.name, len(s.Families), len(s.Series), len(s.Tombstones), s.Words)
		}
		if faults := splitJoined(err); !errors.Is(err, row.err) || len(faults) > maxDamages {
			t.Errorf("%s: %d faults, the first is %.200v", row.name, len(faults), faults[0])
		}
		if n > row.most {
			t.Errorf("%s: Refresh allocated %d bytes", row.name, n)
		}
	}
}

// Property: Check of many duplicates is no slower than reading them.
func TestCheckOfManyDuplicates(t *testing.T) {
	path := writeFile(t, crowd(4000, func(int) (uint16, []byte) { return 2, rawSeries(0, 65536, nil) }))
	if faults := Check(path); len(faults) != 2*maxDamages {
		t.Errorf("%d faults, want %d of each kind", len(faults), maxDamages)
	}
}
