//go:build attack && linux

package attack_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/worker"
)

const asideInVictim = "dead-00112233445566778899aabbccddeeff-counter_1.db"

// newVictim is a directory out of the attacker's reach, with all the names that
// promfold would write, rename or remove if it were led there.
func newVictim(t *testing.T) string {
	t.Helper()
	dir := rig.NewDirectory(t, rig.User{}, 0o700)
	for _, name := range []string{"archive.pfa", "spare.pfa", "damaged-archive.pfa", "damaged-spare.pfa", "secret"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("of "+name), 0o600))
	}
	f, err := stocktest.Open(filepath.Join(dir, asideInVictim))
	must(t, err)
	must(t, f.Add(stocktest.CounterKey, 1e6))
	must(t, f.Close())
	return dir
}

// photograph is all that can be seen of a tree, but for the number of names that
// files have.
func photograph(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %v %d:%d %d %d %v", path, info.Mode(), st.Uid, st.Gid, st.Ino, info.Size(), info.ModTime())
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(content))
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logUnlessFailed logs figures that hold only for a test that has passed.
func logUnlessFailed(t *testing.T, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		t.Logf(format, args...)
	}
}

// plant is what an attacker puts into a directory before promfold looks.
type plant struct {
	name string
	do   func(t *testing.T, dir, victim string)
	// heals: promfold archives all the same. Otherwise it says what is wrong until
	// the plant has gone.
	heals bool
}

func hiddenIn(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, ".promfold")
	must(t, os.Mkdir(path, 0o777))
	return path
}

var plants = []plant{
	{"link for .promfold", func(t *testing.T, dir, victim string) {
		must(t, os.Symlink(victim, filepath.Join(dir, ".promfold")))
	}, false},
	{"link for .promfold.new", func(t *testing.T, dir, victim string) {
		must(t, os.Symlink(victim, filepath.Join(dir, ".promfold.new")))
	}, false},
	{"file for .promfold", func(t *testing.T, dir, _ string) {
		must(t, os.WriteFile(filepath.Join(dir, ".promfold"), nil, 0o666))
	}, false},
	{"pipe for .promfold", func(t *testing.T, dir, _ string) {
		must(t, unix.Mkfifo(filepath.Join(dir, ".promfold"), 0o666))
	}, false},
	{"links for archive and spare", func(t *testing.T, dir, victim string) {
		hidden := hiddenIn(t, dir)
		for _, name := range []string{"archive.pfa", "spare.pfa", "damaged-archive.pfa", "damaged-spare.pfa"} {
			must(t, os.Symlink(filepath.Join(victim, name), filepath.Join(hidden, name)))
		}
	}, true},
	{"links to new files", func(t *testing.T, dir, victim string) {
		hidden := hiddenIn(t, dir)
		for _, name := range []string{"archive.pfa", "spare.pfa"} {
			must(t, os.Symlink(filepath.Join(victim, "new-"+name), filepath.Join(hidden, name)))
		}
	}, true},
	{"hard links for archive and spare", func(t *testing.T, dir, victim string) {
		hidden := hiddenIn(t, dir)
		for _, name := range []string{"archive.pfa", "spare.pfa"} {
			must(t, os.Link(filepath.Join(victim, name), filepath.Join(hidden, name)))
		}
	}, true},
	{"pipe for the spare, directory for the archive", func(t *testing.T, dir, _ string) {
		hidden := hiddenIn(t, dir)
		must(t, unix.Mkfifo(filepath.Join(hidden, "spare.pfa"), 0o666))
		must(t, os.MkdirAll(filepath.Join(hidden, "archive.pfa", "full"), 0o777))
		must(t, os.MkdirAll(filepath.Join(hidden, "damaged-archive.pfa", "full"), 0o777))
	}, true},
	{"links under the names of files", func(t *testing.T, dir, victim string) {
		hidden := hiddenIn(t, dir)
		for _, path := range []string{
			filepath.Join(dir, "counter_1.db"), filepath.Join(dir, "gauge_liveall_1.db"), filepath.Join(dir, "worker-1-0.pfm"),
			filepath.Join(dir, ".worker-1-0.tmp"), filepath.Join(dir, "lockfile"), filepath.Join(dir, "metric_x___1.bin"),
			filepath.Join(dir, "."+asideInVictim), filepath.Join(hidden, asideInVictim),
		} {
			must(t, os.Symlink(filepath.Join(victim, asideInVictim), path))
		}
		must(t, unix.Mkfifo(filepath.Join(dir, "counter_2.db"), 0o666))
		must(t, unix.Mkfifo(filepath.Join(dir, "worker-2-0.pfm"), 0o666))
		must(t, os.Mkdir(filepath.Join(dir, "counter_3.db"), 0o777))
		must(t, os.Mkdir(filepath.Join(hidden, "dead-10112233445566778899aabbccddeeff-counter_3.db"), 0o777))
	}, true},
}

// hostage is a directory with a plant in it, and processes that count there.
type hostage struct {
	plant
	dir, victim, before string
	living              *worker.Store
}

func takeHostage(t *testing.T, p plant) *hostage {
	t.Helper()
	h := &hostage{plant: p, dir: rig.NewDirectory(t, stranger, 0o777), victim: newVictim(t)}
	p.do(t, h.dir, h.victim)
	h.before = photograph(t, h.victim)
	h.living = countHere(t, h.dir, 5)
	must(t, countHere(t, h.dir, 7).Close())
	dies(t, h.dir, 1, 11)
	return h
}

// dies leaves the file of a dead stock process, whose pid nobody has.
func dies(t *testing.T, dir string, serial int, n float64) {
	t.Helper()
	f, err := stocktest.Open(filepath.Join(dir, "counter_"+strconv.Itoa(5_000_000+serial)+".db"))
	must(t, err)
	must(t, f.Add(stocktest.CounterKey, n))
	must(t, f.Close())
}

// countHere counts n in a store of this process.
func countHere(t *testing.T, dir string, n float64) *worker.Store {
	t.Helper()
	store, err := worker.New(dir)
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	worker.With(store).NewCounter(prometheus.CounterOpts{Name: "n_total", Help: "Things counted."}).Add(n)
	return store
}

// Property: promfold as root, in directories in which another user has planted
// links, pipes and directories under every name that it opens, makes, renames to or
// removes, changes nothing elsewhere and reads nothing from there. Scrapes are
// valid and complete; where the plant keeps it from archiving it says so, and
// archives once the plant has gone.
func TestPlantedNames(t *testing.T) {
	rig.NeedRoot(t)
	command := []string{promfold(), "serve", "--web.listen-address=127.0.0.1:0", "--archive.interval=100ms", "--multiproc.dir-label=dir"}
	var hostages []*hostage
	for _, p := range plants {
		h := takeHostage(t, p)
		hostages = append(hostages, h)
		command = append(command, "--multiproc.dir="+h.dir)
	}
	sidecar := rig.StartAs(t, rig.Command{Args: command})
	complete := func(archived func(*hostage) bool) func() error {
		return func() error {
			got := sidecar.Scraped(t)
			for _, h := range hostages {
				native, stock := got.Sum("n_total", "dir", h.dir), got.Sum("c_total", "dir", h.dir)
				if native != 5+7 || stock != 11 {
					t.Fatalf("%s: counted %v and %v", h.name, native, stock)
				}
				if archived(h) != (len(inodes(t, h.dir)) == 1+h.leftovers(t)) {
					return fmt.Errorf("%s: %v", h.name, inodes(t, h.dir))
				}
				if !archived(h) && got.Sum("promfold_archive_failures_total", "dir", h.dir) < 5 {
					return fmt.Errorf("%s: no failures", h.name)
				}
			}
			return nil
		}
	}
	rig.Await(t, patience, complete(func(h *hostage) bool { return h.heals }))
	for _, h := range hostages {
		if after := photograph(t, h.victim); after != h.before {
			t.Errorf("%s: before\n%safter\n%s", h.name, h.before, after)
		}
		if !h.heals {
			for _, name := range []string{".promfold", ".promfold.new"} {
				must(t, os.RemoveAll(filepath.Join(h.dir, name)))
			}
		}
	}
	rig.Await(t, patience, complete(func(*hostage) bool { return true }))
	log := sidecar.Stop(t)
	for _, h := range hostages {
		if !h.heals && !strings.Contains(log, filepath.Join(h.dir, ".promfold")) {
			t.Errorf("%s: not said", h.name)
		}
		if after := photograph(t, h.victim); after != h.before {
			t.Errorf("%s: before\n%safter\n%s", h.name, h.before, after)
		}
	}
	logUnlessFailed(t, "%d plants, changed elsewhere: 0, lost: 0, doubled: 0, archived in spite of it: %d", len(hostages), len(hostages)-4)
}

// leftovers are files of the plant's own beside those of processes.
func (h *hostage) leftovers(t *testing.T) int {
	t.Helper()
	if info, err := os.Lstat(filepath.Join(h.dir, ".promfold")); err == nil && info.Mode().IsRegular() {
		return 1
	}
	return 0
}
