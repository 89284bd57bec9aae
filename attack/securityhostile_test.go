//go:build attack && linux

package attack_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/worker"
)

var (
	hostileFiles = flag.Int("hostile-files", 3000, "small files that a hostile worker makes")
	hostileLimit = flag.Int("hostile-limit", 512, "descriptors that promfold may have meanwhile")
)

// hostileRSS is generous: a program of Go at rest has a tenth of it.
const hostileRSS = 256 << 20

// plantFiles makes n files of another user that look alive for ever: each has a
// series of its own.
func plantFiles(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		path := filepath.Join(dir, "counter_"+strconv.Itoa(5_000_000+i)+".db")
		f, err := stocktest.Open(path)
		must(t, err)
		name := fmt.Sprintf("hostile_%d", i)
		must(t, f.Add(stocktest.Key(name, name+"_total", ""), 1))
		must(t, f.Close())
		must(t, os.Chown(path, int(stranger.UID), int(stranger.GID)))
	}
}

// Property: more files of a hostile worker than promfold may open cost the others
// nothing that was exposed: good workers that are known count on, exactly, scrapes
// are valid, memory and descriptors are bounded. A promfold that starts beside them
// answers 503 rather than with a part, does not end, and serves all again when the
// files have gone.
func TestHostileFiles(t *testing.T) {
	rig.NeedRoot(t)
	dir := rig.NewDirectory(t, rig.User{UID: theApp.UID, GID: theApp.GID}, 0o777)
	store, err := worker.New(dir, worker.WithFileMode(0o644))
	must(t, err)
	defer store.Close()
	good := worker.With(store).NewCounter(prometheus.CounterOpts{Name: "n_total", Help: "Things counted."})
	limit := []string{"prlimit", fmt.Sprintf("--nofile=%d", *hostileLimit)}
	serve := append(append(limit, as(theApp, false)...), promfold(), "serve", "--multiproc.dir="+dir, "--web.listen-address=127.0.0.1:0",
		"--archive.interval=200ms")
	sidecar := rig.StartAs(t, rig.Command{Args: serve})
	var last rig.Monotone
	count := 0.0
	check := func() rig.Samples {
		t.Helper()
		good.Inc()
		count++
		got := sidecar.Scraped(t)
		if faults := last.Check(got.App()); len(faults) > 0 {
			t.Error(faults)
		}
		if now := got.Sum("n_total"); now != count {
			t.Errorf("the good worker counted %v, not %v", now, count)
		}
		return got
	}
	rig.Await(t, patience, func() error {
		if check().Sum("promfold_archive_size_bytes") == 0 {
			return errors.New("no archive yet")
		}
		return nil
	})
	plantFiles(t, dir, *hostileFiles)
	var got rig.Samples
	for range 5 {
		got = check()
		if open := got.Sum("promfold_process_open_fds"); open > float64(*hostileLimit) {
			t.Errorf("%v descriptors", open)
		}
		if rss := got.Sum("promfold_process_resident_memory_bytes"); rss == 0 || rss > hostileRSS {
			t.Errorf("%v MB resident", rss/1e6)
		}
		if errors := got.Sum("promfold_file_errors"); errors == 0 || errors > 10 {
			t.Errorf("%v errors", errors)
		}
	}
	sidecar.Restart(t)
	if _, err := sidecar.Scrape(); err == nil {
		t.Error("a part passes for the whole")
	}
	for i := range *hostileFiles {
		must(t, os.Remove(filepath.Join(dir, "counter_"+strconv.Itoa(5_000_000+i)+".db")))
	}
	last = rig.Monotone{} // what was exposed of the hostile files has gone with them
	check()
	logUnlessFailed(t, "%d hostile files, %d descriptors: %v MB resident, the good worker counted %v, lost 0",
		*hostileFiles, *hostileLimit, got.Sum("promfold_process_resident_memory_bytes")/1e6, count)
}
