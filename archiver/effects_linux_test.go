package archiver

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
)

// effects is what the kernel says was changed in a directory and our own in it.
type effects struct {
	t       *testing.T
	fd      int
	dir     string
	watched map[int32]string
}

func watchEffects(t *testing.T, dir string) *effects {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { must(t, unix.Close(fd)) })
	e := &effects{t: t, fd: fd, dir: dir, watched: map[int32]string{}}
	e.watch(dir)
	return e
}

func (e *effects) watch(dir string) {
	const changes = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE | unix.IN_MODIFY | unix.IN_ATTRIB
	wd, err := unix.InotifyAddWatch(e.fd, dir, changes)
	must(e.t, err)
	e.watched[int32(wd)] = strings.TrimPrefix(dir, e.dir)
}

// since is what was changed since the last call: a rename, which two names tell
// of, is one change; and so is an exchange, which two renames tell of.
func (e *effects) since() []string {
	kinds := map[uint32]string{
		unix.IN_CREATE: "make", unix.IN_DELETE: "remove", unix.IN_MODIFY: "write", unix.IN_ATTRIB: "chmod",
		unix.IN_MOVED_FROM: "rename", unix.IN_MOVED_TO: "rename",
	}
	found := map[string]bool{}
	b := make([]byte, 64<<10)
	for {
		n, err := unix.Read(e.fd, b)
		if err != nil {
			if err != unix.EAGAIN {
				must(e.t, err)
			}
			return slices.Sorted(maps.Keys(found))
		}
		for b := b[:n]; len(b) > 0; {
			o := binary.NativeEndian
			wd, mask, size := int32(o.Uint32(b)), o.Uint32(b[4:]), o.Uint32(b[12:])
			name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size]), "\x00")
			b = b[unix.SizeofInotifyEvent+size:]
			if mask&unix.IN_IGNORED != 0 || name == "" {
				continue
			}
			kind := kinds[mask&^unix.IN_ISDIR]
			what := kind + " " + filepath.Join(e.watched[wd], name)
			switch {
			case kind == "rename" && (name == directory.ArchiveName || name == directory.SpareName):
				what = "exchange"
			case kind == "rename":
				what = "rename " + strings.TrimSuffix(name, unnamedSuffix) // cut to what both have
				for _, part := range []string{"counter_", "histogram_", "gauge_", "worker-"} {
					if i := strings.Index(name, part); i >= 0 {
						what = "rename " + name[i:]
					}
				}
			}
			found[what] = true
		}
	}
}

// Property: between two steps an archiver changes one thing in the directory at
// most, says the kernel; so that kills at all steps are kills at all moments. And
// in what this test brings about, every step is come to.
func TestOneEffectBetweenSteps(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	e := watchEffects(t, dir)
	reached := map[Step]bool{}
	last := Step("start")
	step := func(s Step) {
		reached[s] = true
		changed := e.since()
		if len(changed) > 1 {
			t.Errorf("between %q and %q: %q", last, s, changed)
		}
		if last = s; s == StepDirNamed {
			e.watch(filepath.Join(dir, directory.HiddenName))
		}
	}
	rounds := func() {
		e.since() // what the test did
		last = "start"
		d := directory.New(dir, directory.Options{Archiving: true})
		defer d.Close()
		must(t, New(d, Options{Interval: time.Millisecond, step: step}).Once(context.Background()))
		if changed := e.since(); len(changed) > 0 {
			t.Errorf("after %q: %q", last, changed)
		}
	}
	rounds() // finds nothing but an empty directory
	c := &attack{fleet: &fleet{t: t, dir: dir}}
	counting(t, dir, 1)
	for n := range 3 {
		kept := dead(t, dir, 2)
		link := filepath.Join(t.TempDir(), "kept")
		must(t, os.Link(kept, link))
		deadStock(t, dir, noPID(n), 3)
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("gauge_livesum_%s.db", noPID(10+n))), nil, 0o600))
		c.provoke(StepDamagedPruned)
		c.provoke(StepSwept)
		f := stocktest.Counter(t, dir, noPID(20+n), 1)
		rounds()
		must(t, f.Close())
		must(t, os.Rename(link, kept)) // as if it had not been removed
		c.provoke(StepSpareMade)
		rounds()
	}
	for _, s := range Steps {
		if !reached[s] {
			t.Errorf("never came to %q", s)
		}
	}
}
