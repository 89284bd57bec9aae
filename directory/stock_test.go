package directory_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/archiver"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// noPID is a pid that no process can have: one that exists means alive.
func noPID(n int) string { return fmt.Sprint(5_000_000 + n) }

func dbPath(dir, kind string, pid int) string { return filepath.Join(dir, kind+"_"+noPID(pid)+".db") }

// gaugeFile is the file of a process with one gauge g, which is set to v.
func gaugeFile(t testing.TB, dir, mode string, pid int, v float64) *stocktest.File {
	t.Helper()
	f, err := stocktest.Open(dbPath(dir, "gauge_"+mode, pid))
	must(t, err)
	must(t, f.Set(stocktest.Key("g_"+mode, "g_"+mode, "A gauge."), v, 0))
	t.Cleanup(func() { f.Close() })
	return f
}

// pids are the values of the label pid of a family, in order.
func pids(t testing.TB, v *directory.View, family string) []string {
	t.Helper()
	r, err := aggregate.NewMerger(nil).Merge(v.Sources())
	must(t, err)
	var all []string
	for _, f := range r.Metrics() {
		if f.GetName() != family {
			continue
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetName() == "pid" {
					all = append(all, l.GetValue())
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// Property: a file that was set aside while a scan was between its listings is
// found under both names, counts once, and is no trouble.
func TestFoundUnderBothNames(t *testing.T) {
	dir := t.TempDir()
	must(t, stocktest.Counter(t, dir, noPID(1), 5).Close())
	d := follow(t, dir, directory.Options{})
	wantTotal(t, d, 5)
	must(t, os.Mkdir(d.AsideDir(), 0o755))
	aside := d.NewAside(dbPath(dir, "counter", 1))
	must(t, os.Link(dbPath(dir, "counter", 1), aside.Path))
	for _, d := range []*directory.Directory{d, follow(t, dir, directory.Options{})} {
		if v := wantTotal(t, d, 5); len(v.Problems) > 0 || v.Files[0].Path() != aside.Path {
			t.Errorf("problems %v, file %s", v.Problems, v.Files[0].Path())
		}
	}
	must(t, os.Remove(dbPath(dir, "counter", 1)))
	wantTotal(t, d, 5)
}

// Property: two names of one file that no archiver gave it count once, and are
// named.
func TestTwoNamesOfAFile(t *testing.T) {
	dir := t.TempDir()
	stocktest.Counter(t, dir, noPID(1), 5)
	must(t, os.Link(dbPath(dir, "counter", 1), dbPath(dir, "counter", 2)))
	v := wantTotal(t, follow(t, dir, directory.Options{}), 5)
	if len(v.Problems) != 1 {
		t.Errorf("problems %v", v.Problems)
	}
}

// Property: all files of a process have one identity; processes of one pid in
// directories that are merged have two.
func TestIdentitiesOfStockProcesses(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	ids := directory.NewIdentities()
	for i, dir := range dirs {
		gaugeFile(t, dir, "all", 7, 1)
		gaugeFile(t, dir, "liveall", 7, 1)
		v := scan(t, follow(t, dir, directory.Options{Identities: ids}))
		all, live := pids(t, v, "g_all"), pids(t, v, "g_liveall")
		if len(all) != 1 || !slices.Equal(all, live) {
			t.Fatalf("all %q, liveall %q", all, live)
		}
		if taken := all[0] != noPID(7); taken != (i == 1) || !strings.HasPrefix(all[0], noPID(7)) {
			t.Errorf("directory %d: pid %q", i, all[0])
		}
	}
}

// Property: what a sweeper removes goes on counting as long as the archiver of
// this process can take it in from the open descriptor, and afterwards; gauges of
// the living that mark_process_dead removes leave at once.
func TestRemovedByOthers(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{Archiving: true})
	must(t, stocktest.Counter(t, dir, noPID(1), 5).Close())
	must(t, gaugeFile(t, dir, "livesum", 1, 1).Close())
	wantTotal(t, d, 5)
	must(t, os.Remove(dbPath(dir, "counter", 1)))
	must(t, os.Remove(dbPath(dir, "gauge_livesum", 1)))
	v := wantTotal(t, d, 5)
	if len(v.Files) != 1 || !v.Files[0].Orphan() {
		t.Errorf("%d files", len(v.Files))
	}
	archiveBy(t, d, archiver.Options{})
	if v := wantTotal(t, d, 5); len(v.Files) != 0 {
		t.Errorf("%d files", len(v.Files))
	}
	wantTotal(t, follow(t, dir, directory.Options{}), 5)
}

// Property: an exporter that had the file open when another process archived and
// removed it, between two of its scans, counts it once.
func TestStockFileAbsorbedWhileAway(t *testing.T) {
	dir := t.TempDir()
	sleepy := follow(t, dir, directory.Options{Archiving: true})
	must(t, stocktest.Counter(t, dir, noPID(1), 5).Close())
	wantTotal(t, sleepy, 5)
	archive(t, dir, archiver.Options{Interval: time.Millisecond})
	if v := wantTotal(t, sleepy, 5); len(v.Files) != 0 {
		t.Errorf("%d files", len(v.Files))
	}
}

// Property: the archive of the postmates fork is read as it is now, though it is
// written again in place; and what its archiver removes, since it has taken it
// in, does not count on.
func TestArchiveOfThePostmatesFork(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "lockfile"), nil, 0o600))
	d := follow(t, dir, directory.Options{Archiving: true})
	worker := stocktest.Counter(t, dir, noPID(1), 5)
	wantTotal(t, d, 5)
	must(t, worker.Close())
	rewrite := func(n float64, before ...string) {
		t.Helper()
		path := filepath.Join(dir, "counter.db")
		must(t, os.WriteFile(path, nil, 0o600))
		f, err := stocktest.Open(path)
		must(t, err)
		for _, name := range before {
			must(t, f.Set(stocktest.Key(name, name, ""), 1, 0))
		}
		must(t, f.Set(stocktest.CounterKey, n, 0))
		must(t, f.Close())
	}
	rewrite(5)
	must(t, os.Remove(dbPath(dir, "counter", 1)))
	if v := wantTotal(t, d, 5); !v.Foreign {
		t.Error("not noticed")
	}
	rewrite(12, "another", "yet_another") // so that values have other places
	wantTotal(t, d, 12)
}

// Property: a file that was set aside, and lives after all, is another process
// than the one that has its name by now.
func TestTwoLivesOfOneName(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{})
	gaugeFile(t, dir, "all", 7, 1)
	must(t, os.Mkdir(d.AsideDir(), 0o755))
	path := dbPath(dir, "gauge_all", 7)
	must(t, os.Rename(path, d.NewAside(path).Path))
	gaugeFile(t, dir, "all", 7, 2)
	got := pids(t, scan(t, d), "g_all")
	if len(got) != 2 || got[0] != noPID(7) || !strings.HasPrefix(got[1], noPID(7)+"-") {
		t.Errorf("pids %q", got)
	}
}

// Property: where there was no room for a directory of ours, files are set aside
// in the directory itself, under names that no client's pattern has, and count.
func TestSetAsideHere(t *testing.T) {
	dir := t.TempDir()
	must(t, stocktest.Counter(t, dir, noPID(7), 5).Close())
	d := follow(t, dir, directory.Options{})
	path := dbPath(dir, "counter", 7)
	aside := d.NewAside(path)
	must(t, os.Rename(path, aside.Path))
	if filepath.Dir(aside.Path) != dir || filepath.Base(aside.Path)[0] != '.' { // "*" means no dot
		t.Errorf("a client sees %q", aside.Path)
	}
	wantTotal(t, d, 5)
	if asides, err := d.Asides(); err != nil || !slices.Contains(asides, aside) {
		t.Errorf("%v, %v", asides, err)
	}
}

// Property: a family that the operator drops is gone at the next scan, whether a
// file has it or the archive, and comes back when he changes his mind.
func TestDroppedFamily(t *testing.T) {
	dir := t.TempDir()
	must(t, stocktest.Counter(t, dir, noPID(1), 5).Close())
	archive(t, dir, archiver.Options{Interval: time.Millisecond})
	stocktest.Counter(t, dir, noPID(2), 7)
	d := follow(t, dir, directory.Options{})
	m := aggregate.NewMerger(nil)
	shown := func() (families int) {
		t.Helper()
		r, err := m.Merge(scan(t, d).Sources())
		must(t, err)
		return len(r.Families)
	}
	if n := shown(); n != 1 {
		t.Errorf("%d families", n)
	}
	d.SetOverrides(mmapstore.Overrides{"c_total": {Drop: true}})
	if n := shown(); n != 0 {
		t.Errorf("dropped: %d families", n)
	}
	d.SetOverrides(nil)
	wantTotal(t, d, 12)
	if n := shown(); n != 1 {
		t.Errorf("back: %d families", n)
	}
}

// Property: of a file that lost the name by which we knew it, but has another,
// the archiver takes nothing in: it will be found by that name, and would count
// twice.
func TestOrphanWithAnotherName(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{Archiving: true})
	must(t, stocktest.Counter(t, dir, noPID(1), 5).Close())
	wantTotal(t, d, 5)
	elsewhere := filepath.Join(dir, "out-of-sight")
	must(t, os.Rename(dbPath(dir, "counter", 1), elsewhere))
	if v := wantTotal(t, d, 5); !v.Files[0].Orphan() {
		t.Error("still has its name")
	}
	archiveBy(t, d, archiver.Options{Interval: time.Millisecond})
	wantTotal(t, d, 5)
	must(t, os.Rename(elsewhere, dbPath(dir, "counter", 1)))
	wantTotal(t, d, 5)
	archiveBy(t, d, archiver.Options{Interval: time.Millisecond})
	wantTotal(t, d, 5)
	wantTotal(t, follow(t, dir, directory.Options{}), 5)
}

// Property: files that are set aside under an exporter's eyes need no second
// descriptor.
func TestSetAsideNeedsNoDescriptor(t *testing.T) {
	dir := t.TempDir()
	must(t, stocktest.Counter(t, dir, noPID(1), 5).Close())
	d := follow(t, dir, directory.Options{})
	wantTotal(t, d, 5).Close()
	must(t, os.Mkdir(d.AsideDir(), 0o755))
	path := dbPath(dir, "counter", 1)
	must(t, os.Rename(path, d.NewAside(path).Path))
	lock, err := os.Open(d.AsideDir()) // of the lowest number, which listing needs
	must(t, err)
	restore := limitDescriptors(t, 1)
	must(t, lock.Close())
	v, err := d.Scan(t.Context())
	restore()
	must(t, err)
	defer v.Close()
	if got := total(t, v); got != 5 || len(v.Problems) > 0 || v.Files[0].Orphan() {
		t.Errorf("total %v, problems %v", got, v.Problems)
	}
}

// Property: an archive that others removed, and that was begun anew, does not
// make an exporter count twice what it takes in.
func TestGenerationsBeginAgain(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{Archiving: true}) // so that it keeps what others remove
	fast := archiver.Options{Interval: time.Millisecond}
	for n := range 4 {
		must(t, stocktest.Counter(t, dir, noPID(n), 1).Close())
		archive(t, dir, fast)
		wantTotal(t, d, float64(n+1))
	}
	must(t, stocktest.Counter(t, dir, noPID(9), 5).Close())
	wantTotal(t, d, 9)
	must(t, os.RemoveAll(d.AsideDir()))
	archive(t, dir, fast)
	wantTotal(t, d, 5) // the rest went with the archive; an exporter's guard holds it
}

// writeGitLab fills a file as GitLab's client does, with one series g.
func writeGitLab(t testing.TB, f *os.File) {
	t.Helper()
	key := `["g","g",[],[]]`
	entry := binary.NativeEndian.AppendUint32(nil, uint32(len(key)))
	entry = append(entry, key...)
	entry = append(entry, strings.Repeat(" ", 8-(len(key)+4)%8)...)
	entry = append(entry, make([]byte, 8)...)
	_, err := f.Write(append(binary.NativeEndian.AppendUint64(nil, uint64(8+len(entry))), entry...))
	must(t, err)
}

// Property: the pid in the name of a file of GitLab's client is known before its
// first probe, to a scan as to an archiver: that it exists means alive.
func TestPIDOfGitLabsFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fmt.Sprintf("counter_process_id_%d-0.db", os.Getppid()))
	f, err := os.Create(path)
	must(t, err)
	writeGitLab(t, f)
	must(t, f.Close())
	d := follow(t, dir, directory.Options{})
	if _, state, err := d.StockState(path); state != mmapstore.Alive || err != nil {
		t.Errorf("to an archiver: %v, %v", state, err)
	}
	if got := scan(t, d).Files[0].Verdict(); got != (mmapstore.Verdict{State: mmapstore.Alive, Method: mmapstore.MethodPID}) {
		t.Errorf("to a scan: %v", got)
	}
}

// Property: the identity of a file is not made up before its client has written a
// key: GitLab's means another part of the name than the others'.
func TestIdentityOfAnEmptyFile(t *testing.T) {
	dir := t.TempDir()
	d := follow(t, dir, directory.Options{})
	path := filepath.Join(dir, "gauge_all_worker_id_3-0.db")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	scan(t, d)
	writeGitLab(t, f)
	if got := pids(t, scan(t, d), "g"); !slices.Equal(got, []string{"worker_id_3"}) {
		t.Errorf("pid %q", got)
	}
}
