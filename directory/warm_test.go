package directory_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
)

// scanAllocs is how often a scan of files that are known allocates.
func scanAllocs(t *testing.T, fill func(testing.TB, string, int), n int) float64 {
	t.Helper()
	dir := t.TempDir()
	newWorker(t, dir, "").count(1).die(t)
	archive(t, dir, archiver.Options{})
	fill(t, dir, n)
	d := follow(t, dir, directory.Options{})
	scanOnce(t, d, n)
	return testing.AllocsPerRun(5, func() { scanOnce(t, d, n) })
}

// fileAllocs is how often the probe and the refresh of a file that is known allocate
// by themselves.
func fileAllocs(t *testing.T, fill func(testing.TB, string, int)) float64 {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, 1)
	v := scan(t, follow(t, dir, directory.Options{}))
	return testing.AllocsPerRun(5, func() { must(t, directory.LookAgain(v.Files[0])) })
}

// Property: a scan of known files allocates as often for many files as for few: what
// their probes and refreshes allocate by themselves, and a few times more.
func TestScanAllocates(t *testing.T) {
	const few, many, constant = 16, 256, 45
	for _, layout := range layouts {
		t.Run(layout.name, func(t *testing.T) {
			each := fileAllocs(t, layout.fill)
			for _, n := range []int{few, many} {
				if got := scanAllocs(t, layout.fill, n); got > constant+each*float64(n) {
					t.Errorf("%v allocations for %d files of %v each", got, n, each)
				}
			}
		})
	}
}

// Property: a file that takes another's name between two scans is the one that has
// the name from then on; the other, whose writer lives, counts on.
func TestNameTakenOver(t *testing.T) {
	for name, row := range map[string]struct {
		fill func(testing.TB, string, int)
		make func() string // another file, of c_total 10
	}{
		"native": {layouts[0].fill, func() string { return newWorker(t, t.TempDir(), "").count(10).Path() }},
		"stock": {layouts[1].fill, func() string {
			path := dbPath(t.TempDir(), "counter", 0)
			f, err := stocktest.Open(path)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			must(t, f.Set(stocktest.Key("c", "c_total", "A count."), 10, 0))
			return path
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			row.fill(t, dir, 3)
			d := follow(t, dir, directory.Options{})
			v := wantTotal(t, d, 3)
			taken := v.Files[1].Path()
			must(t, os.Rename(row.make(), taken))
			for range 2 {
				v = wantTotal(t, d, 13)
				var orphans, named int
				for _, f := range v.Files {
					if f.Path() == taken && f.Orphan() {
						orphans++
					} else if f.Path() == taken {
						named++
					}
				}
				if len(v.Files) != 4 || orphans != 1 || named != 1 {
					t.Errorf("%d files, %d with the name, %d without", len(v.Files), named, orphans)
				}
			}
		})
	}
}

// schemaStart is where the first record of a native file begins.
const schemaStart = 4096

// Property: what many new files hold, and what is damaged in them, does not depend on
// which is read first.
func TestManyNewFiles(t *testing.T) {
	const n = 40
	dir := t.TempDir()
	for i := range n {
		w := newWorker(t, dir, "").count(1 << i)
		if i%4 == 0 {
			edit(t, w.Path(), func(b []byte) { b[schemaStart+20] ^= 0xff })
		}
	}
	var first []string
	for range 5 {
		v := scan(t, follow(t, dir, directory.Options{}))
		var problems []string
		for _, p := range v.Problems {
			problems = append(problems, fmt.Sprint(p.Path, ": ", p.Err))
		}
		counts := make(map[string]int)
		for _, f := range v.Files {
			counts[f.Path()] = len(f.Schema().Series)
			if (f.Damage() != nil) != slices.ContainsFunc(v.Problems, func(p directory.Problem) bool { return p.Path == f.Path() }) {
				t.Errorf("%s: %v", f.Path(), f.Damage())
			}
		}
		if first == nil {
			first = problems
		}
		if len(problems) != n/4 || !slices.Equal(problems, first) {
			t.Errorf("problems %v, first %v", problems, first)
		}
		if whole := slices.Collect(maps.Values(counts)); len(counts) != n || sum(whole) != n-n/4 {
			t.Errorf("%d files, %d series", len(counts), sum(whole))
		}
	}
}

func sum(all []int) (total int) {
	for _, n := range all {
		total += n
	}
	return total
}

// Property: when there are far fewer files than there were, those that are left count
// on, and nothing stays open but them.
func TestScanAfterCrowd(t *testing.T) {
	dir := t.TempDir()
	stay := newWorker(t, dir, "").count(1)
	d := follow(t, dir, directory.Options{Archiving: true})
	wantTotal(t, d, 1).Close()
	before := openFiles(t)
	var crowd []*worker
	for range 100 {
		crowd = append(crowd, newWorker(t, dir, "").count(1))
	}
	wantTotal(t, d, 101).Close()
	for _, w := range crowd {
		w.die(t)
	}
	archiveBy(t, d, archiver.Options{})
	for want := 101.0; want < 105; want++ {
		v, err := d.Scan(context.Background())
		must(t, err)
		if got := total(t, v); got != want || len(v.Files) != 1 {
			t.Errorf("total %v, want %v, %d files", got, want, len(v.Files))
		}
		v.Close()
		stay.count(1)
		if now := openFiles(t); now > before {
			t.Errorf("%d descriptors, %d before", now, before)
		}
	}
}

// Property: a scan for an archiver says that there are files of stock clients, known
// ones as well as new ones, and shows none.
func TestScanNativeLeavesOutKnownFiles(t *testing.T) {
	dir := t.TempDir()
	fillStock(t, dir, "counter", 2)
	d := follow(t, dir, directory.Options{})
	for range 2 {
		v, err := d.ScanNative(t.Context())
		must(t, err)
		if !v.Stock || len(v.Files) != 0 {
			t.Errorf("said: %v, %d files", v.Stock, len(v.Files))
		}
		v.Close()
		wantTotal(t, d, 2).Close()
	}
}
