//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/internal/rig"
)

// fillUp takes all room of a file system, until free gives it back.
func fillUp(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, ".filler")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	must(t, err)
	for addPage(f) {
		continue
	}
	must(t, f.Close())
	return func() {
		t.Helper()
		must(t, os.Remove(path))
	}
}

// sendCounted sends datagrams in all shapes, n of a sender.
func sendCounted(t *testing.T, c net.Conn, sender string, n int) {
	t.Helper()
	for i := range n {
		_, err := c.Write(appendCounted(nil, sender, i))
		must(t, err)
	}
}

// smallTmpfs is a file system that is soon full. It has room for what the tests count,
// for an archive of it and for the spare of that, as large as the archiver makes them.
func smallTmpfs(t *testing.T) (dir string) {
	t.Helper()
	dir = rig.Tmpfs(t, "size=1m,mode=0777")
	t.Cleanup(func() {
		if t.Failed() {
			logRoom(t, dir)
		}
	})
	return dir
}

// logRoom says how much room a file system has, and who took it.
func logRoom(t *testing.T, dir string) {
	t.Helper()
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	t.Logf("%d of %d blocks of %d bytes free, %d of %d inodes", st.Bfree, st.Blocks, st.Bsize, st.Ffree, st.Files)
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var stat unix.Stat_t
		if err = errors.Join(err, unix.Lstat(path, &stat)); err != nil { // the archiver is at work
			t.Log(err)
			return nil
		}
		t.Logf("%s: %d bytes, %d of them in blocks", path, stat.Size, stat.Blocks*512)
		return nil
	}))
}

// Property: datagrams for which there is no room in the directory are accepted and
// counted as such; series that have their place count on; the others are shown, with
// all that was counted meanwhile, once there is room.
func TestHermesFull(t *testing.T) {
	h := startHermes(t, smallTmpfs(t), rig.User{}, "--archive.interval=50ms")
	c := h.dialTo(t, "unixgram", h.socket) // whose senders wait, so that all of it comes
	sendCounted(t, c, "early", 600)
	h.awaitCome(t, 600)
	rounds(t, h.Sidecar, 2) // in which the archiver takes the room that it will need
	free := fillUp(t, h.dir)
	const late = 100
	sendCounted(t, c, "early", 600)
	for i := range late {
		sendCounted(t, c, fmt.Sprint("late ", i), 600)
	}
	got := h.awaitCome(t, 1200+600*late)
	checkSeat(t, got, "early", 1200)
	if n := hermesTotal(got, ""); n >= got.Sum(hermesAccepted) {
		t.Errorf("there was room for all %v datagrams", n)
	}
	free()
	h.awaitShown(t, 1200+600*late)
	for i := range late {
		checkSeat(t, h.Scraped(t), fmt.Sprint("late ", i), 600)
	}
}

// checkSeat holds what one sender's own series show against what it sent.
func checkSeat(t *testing.T, got rig.Samples, sender string, sent float64) {
	t.Helper()
	if n, own := hermesTotal(got, sender), sent-sent/hermesShapes; n != own {
		t.Errorf("sender %q: %v of %v", sender, n, own)
	}
}

// awaitShown waits until the families show so many datagrams, which must then be all
// that were accepted.
func (h *hermesServer) awaitShown(t *testing.T, n float64) (got rig.Samples) {
	t.Helper()
	rig.Await(t, patience, func() error {
		if got = h.Scraped(t); hermesTotal(got, "") < n {
			return fmt.Errorf("the families show %v, not %v", hermesTotal(got, ""), n)
		}
		return nil
	})
	checkBurst(t, got, int(n))
	return got
}

// Property: a listener that starts where there is no room for its file receives, and
// all that it has accepted meanwhile is shown once there is.
func TestHermesStartsFull(t *testing.T) {
	h := startHermes(t, smallTmpfs(t), rig.User{}, "--archive.interval=50ms")
	sendCounted(t, h.dialTo(t, "unixgram", h.socket), "first", 600)
	h.awaitCome(t, 600)
	rounds(t, h.Sidecar, 2)
	free := fillUp(t, h.dir)
	h.Restart(t)
	// All but the last few are taken when the writes have returned.
	sendCounted(t, h.dialTo(t, "unixgram", h.socket), "second", 600)
	checkBurst(t, h.Scraped(t), 600) // what the file of the one before has
	free()
	h.awaitShown(t, 1200)
}

// Property: a directory that is emptied beneath a listener, again and again, costs
// nothing that was accepted: what had been counted stays in every scrape, and so does
// what is counted from then on; and once there is a file again with a name, all of it
// is there for the next sidecar.
func TestHermesWiped(t *testing.T) {
	h := startHermes(t, rig.NewDirectory(t, rig.User{}, 0o755), rig.User{}, "--archive.interval=50ms")
	c := h.dial(t)
	stop := h.watch(t)
	for n := range 3 {
		sendCounted(t, c, "steady", 600)
		checkBurst(t, h.awaitCome(t, float64(1200*n+600)), 1200*n+600)
		all, err := filepath.Glob(filepath.Join(h.dir, "*"))
		must(t, err)
		for _, path := range all {
			must(t, os.RemoveAll(path))
		}
		sendCounted(t, c, "steady", 600)
		checkBurst(t, h.awaitCome(t, float64(1200*n+1200)), 1200*n+1200)
	}
	rig.Await(t, patience, func() error {
		files, err := filepath.Glob(filepath.Join(h.dir, "worker-*.pfm"))
		if orphans := h.Scraped(t).Sum("promfold_orphan_files"); err == nil && (len(files) != 1 || orphans > 0) {
			return fmt.Errorf("files %q and %v without a name", files, orphans)
		}
		return err
	})
	stop()
	h.Process().Kill()
	h.Restart(t)
	checkBurst(t, h.Scraped(t), 3600)
	sendCounted(t, h.dial(t), "steady", 600)
	checkBurst(t, h.awaitCome(t, 4200), 4200)
}
