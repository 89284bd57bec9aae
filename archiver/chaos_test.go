package archiver

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/promfold/promfold/directory"
)

// exactAt stops the counting for a moment, and holds one reader to the very count.
func (f *fleet) exactAt(r *scraper, when string) {
	f.t.Helper()
	f.quiet.Lock()
	defer f.quiet.Unlock()
	f.equal(when, "the reader", r.look())
}

// countOn waits until the workers have counted more.
func (f *fleet) countOn() {
	f.t.Helper()
	more := f.acked.Load() + 100
	eventually(f.t, "counting", func() bool { return f.acked.Load() >= more })
}

// scrapeOn waits until the reader has scraped some more.
func (r *scraper) scrapeOn() {
	r.f.t.Helper()
	more := r.f.scrapes.Load() + 10*int64(len(r.f.readers))
	eventually(r.f.t, "scraping", func() bool { return r.f.scrapes.Load() >= more })
}

// Property: of archivers that are started at the same time one archives and the
// other stands by; whichever of them is killed, the other goes on, and what was
// counted is exposed once.
func TestArchiversStartedAtOnce(t *testing.T) {
	t.Parallel()
	c := &attack{fleet: newFleet(t, shm(t), 2, native, stock)}
	defer c.end()
	rounds := 8 * *cycles
	if testing.Short() {
		rounds = 3
	}
	for n := range rounds {
		when := fmt.Sprint("round ", n)
		c.hire()
		c.bury()
		both := []*child{c.archiver(never, 1), c.archiver(never, 1)}
		c.settled(when)
		c.exact(when)
		first := rand.IntN(2)
		both[first].kill()
		c.hire()
		c.bury()
		c.settled(when + ", one is killed")
		both[1-first].kill()
		c.exact(when + ", both are killed")
	}
	t.Logf("%d kills, %d counted, %d scrapes", 2*rounds, c.acked.Load(), c.scrapes.Load())
}

// wipe is `rm -rf dir/*` or, with all, that of the files with a dot as well.
func wipe(t *testing.T, dir string, all bool) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if all || !strings.HasPrefix(e.Name(), ".") {
			must(t, removeAll(filepath.Join(dir, e.Name())))
		}
	}
}

// removeAll is os.RemoveAll for a directory in which others make files meanwhile.
func removeAll(path string) (err error) {
	for range 100 {
		if err = os.RemoveAll(path); err == nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

// Property: of what an exporter that archives has exposed nothing is lost, and
// nothing doubled, when somebody removes all files, those of live workers too, which
// go on counting in who has them open, and in the end the archive itself. Another
// reader, which has nothing but its own open files, exposes nothing less than before,
// and all of it when the workers are dead and archived.
func TestWipedUnderAll(t *testing.T) {
	t.Parallel()
	f := newFleet(t, shm(t), 0, native, stock)
	defer f.end()
	served := f.read("serve", f.dir)
	other := f.read("scrape", f.dir)
	rounds := 6 * *cycles
	if testing.Short() {
		rounds = 3
	}
	for n := range rounds {
		when := fmt.Sprint("round ", n)
		f.hire()
		f.exactAt(served, when+", all are known")
		other.unbound(true)
		wipe(t, f.dir, n%3 == 2)
		f.countOn()
		f.exactAt(served, when+", wiped")
		f.bury()
		f.exactAt(served, when+", some died")
		f.hire()
		f.countOn()
		f.exactAt(served, when+", others were born")
		f.buryAll()
		f.exactAt(served, when+", all died")
		f.settled(when)
		eventually(t, when+": archived", func() bool {
			return scrapeOnce(t, f.dir)["c_total"] == float64(f.acked.Load())
		})
		f.exact(when + ", all archived")
		other.unbound(false)
	}
	t.Logf("%d wiped, %d counted, %d scrapes", rounds, f.acked.Load(), f.scrapes.Load())
}

// unbound lets the reader expose less than was acknowledged, or no more.
func (r *scraper) unbound(free bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = free
}

// Property: an exporter that archives, and whose directory is removed or renamed
// and made anew, goes on exposing what it has exposed, with what the old workers
// count in the files that it has open, and archives the new directory.
func TestDirectoryMadeAnew(t *testing.T) {
	t.Parallel()
	base := shm(t)
	dir := filepath.Join(base, "metrics")
	must(t, os.Mkdir(dir, 0o755))
	f := newFleet(t, dir, 0, native, stock)
	defer f.end()
	served := f.read("serve", dir)
	f.read("scrape", dir).unbound(true) // which knows nothing but what lies there
	rounds := 4 * *cycles
	if testing.Short() {
		rounds = 2
	}
	for n := range rounds {
		when := fmt.Sprint("round ", n)
		f.exactAt(served, when+", all are known")
		if n%2 == 0 {
			must(t, os.Rename(dir, filepath.Join(base, fmt.Sprint("old-", n))))
		} else {
			must(t, removeAll(dir))
		}
		f.countOn()
		f.exactAt(served, when+", gone")
		must(t, os.Mkdir(dir, 0o755))
		f.hire()
		f.countOn()
		f.exactAt(served, when+", made anew")
		f.bury() // the old ones
		f.exactAt(served, when+", the old ones died")
		f.hire()
		f.bury()
		f.exactAt(served, when+", new ones died")
		f.settled(when)
		f.exactAt(served, when+", archived")
	}
	t.Logf("%d made anew, %d counted, %d scrapes", rounds, f.acked.Load(), f.scrapes.Load())
}

// vandals are what is done to an archive that is in use.
var vandals = []struct {
	name string
	do   func(path string) error
}{
	{"header flipped", flipAt(40)},
	{"payload flipped", flipAt(100)},
	{"cut in the payload", func(path string) error { return os.Truncate(path, 100) }},
	{"cut in the header", func(path string) error { return os.Truncate(path, 20) }},
	{"emptied", func(path string) error { return os.Truncate(path, 0) }},
	{"removed", os.Remove},
	{"garbage", instead(garbage)},
	{"directory", instead(fullDirectory)},
	{"directory again", instead(fullDirectory)},
	{"link", instead(func(path string) error { return os.Symlink("/dev/zero", path) })},
	{"pipe", instead(func(path string) error { return syscall.Mkfifo(path, 0o600) })},
	{"garbage again", instead(garbage)},
}

func flipAt(at int64) func(string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, at); err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{b[0] ^ 0x10}, at)
		return err
	}
}

func instead(do func(string) error) func(string) error {
	return func(path string) error {
		if err := removeAll(path); err != nil {
			return err
		}
		return do(path)
	}
}

// Property: whatever becomes of the archive while an exporter that archives, a
// standby and another reader run, nobody crashes or exposes less than before, the
// archive is written again, and all is exact, to new readers too. One of a newer
// version is not touched, and when it has been taken away all goes on exactly.
func TestArchiveVandalized(t *testing.T) {
	t.Parallel()
	c := &attack{fleet: newFleet(t, shm(t), 0, native, stock)}
	defer c.end()
	served := c.read("serve", c.dir)
	c.hire()
	c.bury()
	c.settled("at first")
	standby := c.archiver(never, 1)
	c.read("scrape", c.dir)
	archive := directory.New(c.dir, directory.Options{}).ArchivePath()
	for cycle := range *cycles {
		for _, v := range vandals {
			when := fmt.Sprint(v.name, ", ", cycle)
			c.exact(when + ", before")
			eventually(t, when, func() bool { return v.do(archive) == nil }) // it may be changing places
			served.scrapeOn()
			c.hire()
			c.bury()
			c.settled(when)
			c.exact(when)
		}
		c.newer(served, archive)
	}
	served.end()
	c.readers = slices.DeleteFunc(c.readers, func(r *scraper) bool { return r == served })
	c.hire()
	c.bury()
	c.settled("the standby took over")
	c.exact("the standby took over")
	standby.kill()
	t.Logf("%d attacks, %d counted, %d scrapes", *cycles*(len(vandals)+1), c.acked.Load(), c.scrapes.Load())
}

func (c *attack) newer(r *scraper, path string) {
	b, err := os.ReadFile(path)
	must(c.t, err)
	b[12] = 9 // major version
	must(c.t, os.WriteFile(path+".coming", b, 0o600))
	must(c.t, os.Rename(path+".coming", path))
	put, err := os.Stat(path)
	must(c.t, err)
	c.hire()
	c.bury()
	r.scrapeOn()
	c.countOn()
	now, err := os.Stat(path)
	must(c.t, err)
	got, err := os.ReadFile(path)
	must(c.t, err)
	if !os.SameFile(put, now) || !now.ModTime().Equal(put.ModTime()) || !bytes.Equal(got, b) {
		c.t.Error("an archive of a newer version was touched")
	}
	must(c.t, os.Remove(path))
	c.settled("newer version taken away")
	c.exact("newer version taken away")
}
