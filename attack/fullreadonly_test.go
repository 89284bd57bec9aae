//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
)

// Property: where the directory becomes read-only for promfold while workers write
// to it (their mount is another), it goes on serving what they count, exactly. A
// worker that dies is exposed as before, and its file is left where it is. The log
// says once that nothing can be archived. When the directory can be written again,
// the dead are archived, and all stays as it was.
func TestReadOnlyForTheArchiver(t *testing.T) {
	dir := rig.Tmpfs(t, "mode=0777")
	view := t.TempDir()
	if err := unix.Mount(dir, view, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, view) })
	h := openHouse(t, dir, view, rig.User{}, 2)
	stop := h.watch()
	h.move(0)
	h.move(1)
	h.living[0].grow(t, 50)
	h.living[1].grow(t, 50)

	remount(t, view, unix.MS_BIND|unix.MS_RDONLY)
	h.kill(0)
	h.living[1].grow(t, 50)
	h.failing(h.readers[0], 5)
	h.check()
	if files, _ := filepath.Glob(filepath.Join(dir, "worker-*.pfm")); len(files) != 2 {
		t.Errorf("left of the files of two workers: %q", files)
	}
	if n := strings.Count(h.readers[0].Process().Out.String(), "read-only"); n != 1 {
		t.Errorf("the log says %d times that the file system is read-only:\n%s", n, h.readers[0].Process().Out.Tail(20))
	}

	remount(t, view, unix.MS_BIND)
	h.archived()
	h.check()
	h.kill(1)
	h.archived()
	h.check()
	stop()
	t.Logf("%d checks, %d scrapes", h.checks, h.scrapes.Load())
}

// Property: where the file system itself becomes read-only after its workers have
// died, before anybody archived them, an archiver that was there before and one
// that starts then expose all that they counted, archive nothing, and say once
// that they cannot. When the file system can be written again, all is archived.
func TestReadOnlyFileSystem(t *testing.T) {
	dir := rig.Tmpfs(t, "mode=0777")
	h := openHouse(t, dir, dir, rig.User{}, 2)
	before := h.readers[0]
	stop := h.watch()
	h.move(0)
	h.living[0].grow(t, 50)
	h.kill(0)
	h.archived()
	h.move(1)
	h.living[1].grow(t, 50)
	stopIdle(t, before, dir) // so that the dead meet a read-only file system
	h.readers[0] = h.readers[1]
	h.kill(1) // this scrapes the other, which lets go of what is archived, too
	remount(t, dir, unix.MS_RDONLY)
	before.Process().Signal(t, unix.SIGCONT)
	late := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, "--archive.interval=50ms")
	h.readers[0] = before
	h.failing(before, 5)
	late.Scraped(t)
	rounds(t, before, 3)
	h.readers = append(h.readers, late)
	h.check()
	if files, _ := filepath.Glob(filepath.Join(dir, "worker-*.pfm")); len(files) != 1 {
		t.Errorf("left of the file of a worker: %q", files)
	}
	if n := strings.Count(before.Process().Out.String(), "read-only"); n != 1 {
		t.Errorf("the log says %d times that the file system is read-only:\n%s", n, before.Process().Out.Tail(20))
	}
	remount(t, dir, 0)
	h.archived()
	h.check()
	stop()
	t.Logf("%d checks, %d scrapes", h.checks, h.scrapes.Load())
}

// stopIdle stops a sidecar while it has nothing open in the directory that would
// keep the file system writable.
func stopIdle(t *testing.T, s *rig.Sidecar, dir string) {
	t.Helper()
	rig.Await(t, patience, func() error {
		s.Scraped(t) // lets go of what is archived
		s.Process().Signal(t, unix.SIGSTOP)
		open := within(descriptors(t, s), dir+"/")
		open = append(within(open, "/.promfold/"), within(open, "(deleted)")...)
		if len(open) == 0 {
			return nil
		}
		s.Process().Signal(t, unix.SIGCONT)
		return fmt.Errorf("busy with %q", open)
	})
}

// failing waits until so many rounds of the archiver have failed.
func (h *house) failing(s *rig.Sidecar, n float64) {
	h.t.Helper()
	rig.Await(h.t, patience, func() error {
		if failed := s.Scraped(h.t).Sum("promfold_archive_failures_total"); failed < n {
			return fmt.Errorf("%v rounds have failed", failed)
		}
		return nil
	})
}

// rounds waits until the archiver has ended so many.
func rounds(t *testing.T, s *rig.Sidecar, n int) {
	t.Helper()
	seen := make(map[float64]bool)
	rig.Await(t, patience, func() error {
		seen[s.Scraped(t).Sum("promfold_archive_last_round_timestamp_seconds")] = true
		if len(seen) <= n {
			return fmt.Errorf("%d rounds", len(seen)-1)
		}
		return nil
	})
}

// remount changes the flags of a mount. Somebody may have a file open for writing
// just now.
func remount(t *testing.T, path string, flags uintptr) {
	t.Helper()
	rig.Await(t, patience, func() error { return unix.Mount("", path, "", unix.MS_REMOUNT|flags, "") })
}

// unmount waits until nobody is there any more: processes that were killed may
// take a moment.
func unmount(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Unmount(path, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			t.Errorf("unmount %s: %v", path, err)
			return
		}
	}
}
