package archiver

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/stocktest"
	"github.com/promfold/promfold/mmapstore"
)

// wide is the file of a native worker with so many series, some of them its own,
// that they take much more room in an archive than there is in a new one.
func wide(t *testing.T, dir, who string, series, own int) *mmapstore.Writer {
	t.Helper()
	w := counting(t, dir, 1)
	family, err := w.AddFamily(mmapstore.Family{Name: "wide_total", Type: mmapstore.Counter})
	must(t, err)
	for i := range series {
		path := strings.Repeat("x", 60) + fmt.Sprint(i)
		if i < own {
			path += who
		}
		labels, err := mmapstore.EncodeLabels([]mmapstore.Label{{Name: "path", Value: path}})
		must(t, err)
		s, err := w.AddSeries(family, labels, time.Now())
		must(t, err)
		s.Cells[0].Add(1)
	}
	return w
}

// Property: an archive that somebody replaces, again and again, by whatever else, a
// directory with something in it among it, is set aside and written again from the
// memory of who had read it.
func TestArchiveReplacedAgainAndAgain(t *testing.T) {
	dir := t.TempDir()
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	a := New(d, Options{Interval: time.Millisecond})
	dead(t, dir, 5)
	must(t, a.Once(bg))
	for n, replace := range []func(path string) error{
		fullDirectory, garbage, fullDirectory, fullDirectory, garbage, garbage,
		func(path string) error { return os.Mkdir(path, 0o755) },
		func(path string) error { return os.Symlink("/dev/zero", path) },
		garbage,
	} {
		must(t, os.RemoveAll(d.ArchivePath()))
		must(t, replace(d.ArchivePath()))
		dead(t, dir, 1)
		must(t, a.Once(bg))
		if got := exposed(t, dir); got != float64(6+n) {
			t.Fatalf("exposed %v after attack %d: %q", got, n, names(t, dir))
		}
	}
}

// Property: what a commit has just taken in is not lost if the archive is damaged
// before anybody has read it.
func TestArchiveDamagedRightAfterTheCommit(t *testing.T) {
	dir := t.TempDir()
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	damage := false
	a := New(d, Options{Interval: time.Millisecond, step: func(s Step) {
		if s == StepCommitted && damage {
			must(t, garbage(d.ArchivePath()))
		}
	}})
	must(t, a.Once(bg))
	for n := range 4 {
		if n%2 == 0 {
			must(t, stocktest.Counter(t, dir, noPID(n), 1).Close())
		} else {
			dead(t, dir, 1)
		}
		damage = true
		_ = a.Once(bg) // may fail, as whom the damage surprises
		damage = false
		must(t, a.Once(bg))
		if got, want := exposed(t, dir), float64(n+1); got != want {
			t.Fatalf("exposed %v, want %v: %q", got, want, names(t, dir))
		}
	}
}

func fullDirectory(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(path, "something"), nil, 0o600)
}

func garbage(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("junk"), 100), 0o600) }

// Property: of damaged files the newest are kept, no more than a few, and no more
// than take little room; the archive that was damaged is kept in any case.
func TestDamagedFilesAreBounded(t *testing.T) {
	for name, row := range map[string]struct{ files, size, left int }{
		"many":  {3 * maxDamaged, 0, maxDamaged},
		"large": {maxDamaged, maxDamagedBytes / 4, 3}, // each takes a little more
		"huge":  {1, maxDamagedBytes, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := &attack{fleet: &fleet{t: t, dir: shm(t)}}
			mustOnce(t, c.dir)
			hidden := filepath.Join(c.dir, directory.HiddenName)
			kept := filepath.Join(hidden, directory.DamagedPrefix+directory.ArchiveName)
			must(t, os.WriteFile(kept, nil, 0o600))
			old := time.Now().Add(-time.Hour)
			must(t, os.Chtimes(kept, old, old))
			for range row.files {
				c.damaged()
			}
			paths, err := filepath.Glob(filepath.Join(c.dir, "*.pfm"))
			must(t, err)
			for i, path := range paths {
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
				must(t, err)
				_, err = f.Write(make([]byte, row.size))
				must(t, err)
				must(t, f.Close())
				at := old.Add(time.Duration(i) * time.Minute)
				must(t, os.Chtimes(path, at, at))
			}
			if stats := mustOnce(t, c.dir); stats.SetAside != uint64(row.files) {
				t.Errorf("%+v", stats)
			}
			if _, err := os.Stat(kept); err != nil {
				t.Error(err)
			}
			left, err := filepath.Glob(filepath.Join(hidden, directory.DamagedPrefix+"worker*"))
			must(t, err)
			if len(left) != row.left {
				t.Errorf("%d left: %q", len(left), left)
			}
			if n := len(paths); n > 1 && !strings.Contains(strings.Join(left, " "), filepath.Base(paths[n-1])) {
				t.Errorf("the newest is not among them: %q", left)
			}
		})
	}
}

// Property: a file that somebody cut off after it was read, and whose process is
// dead, does not wait for ever: what is left of it is archived, the file is kept
// for somebody to look at, and the log says so. Who had exposed the rest goes on
// exposing it.
func TestCutFile(t *testing.T) {
	dir := t.TempDir()
	w := wide(t, dir, "a", 10_000, 0)
	d := directory.New(dir, directory.Options{Archiving: true})
	defer d.Close()
	var log bytes.Buffer
	a := New(d, Options{Interval: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, a.Once(bg))
	reader := directory.New(dir, directory.Options{})
	defer reader.Close()
	m := aggregate.NewMerger(nil)
	before, err := flatScrape(reader, m)
	must(t, err)
	path := w.Path()
	must(t, w.Close())
	must(t, os.Truncate(path, 2*mmapstore.ChunkSize))
	must(t, a.Once(bg))
	if stats := a.Stats(); stats.Absorbed != 1 || stats.SetAside != 1 {
		t.Errorf("%+v", stats)
	}
	if !strings.Contains(log.String(), path) {
		t.Errorf("log: %q", &log)
	}
	if _, err := os.Stat(filepath.Join(dir, directory.HiddenName, directory.DamagedPrefix+filepath.Base(path))); err != nil {
		t.Error(err)
	}
	after, err := flatScrape(reader, m)
	must(t, err)
	fresh := scrapeOnce(t, dir)
	var left float64
	for name, v := range before {
		if left += fresh[name]; after[name] != v {
			t.Fatalf("%s was %v and is %v", name, v, after[name])
		}
	}
	if fresh["c_total"] != 1 || left < 1000 || left > 9000 {
		t.Errorf("%v of 10001 are left, %v of c_total", left, fresh["c_total"])
	}
}
