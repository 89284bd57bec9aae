//go:build attack

package archiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/promfold/promfold/directory"
	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
)

// glutton takes all that a file system has left, again and again: its inodes, if
// these are few, or else its pages.
type glutton struct {
	t      *testing.T
	dir    string
	inodes bool
	taken  int
}

func (g *glutton) takeAll() {
	for g.inodes {
		g.taken++
		f, err := os.OpenFile(filepath.Join(g.dir, fmt.Sprint("taken-", g.taken)), os.O_CREATE|os.O_WRONLY, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		must(g.t, err)
		must(g.t, f.Close())
	}
	f, err := os.OpenFile(filepath.Join(g.dir, "taken"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(g.t, err)
	defer f.Close()
	for page := make([]byte, 4096); ; {
		if _, err := f.Write(page); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				g.t.Fatal(err)
			}
			return
		}
	}
}

func wideStock(t *testing.T, dir, pid string, series int) *stocktest.File {
	t.Helper()
	f := stocktest.Counter(t, dir, pid, 1)
	for i := range series {
		must(t, f.Add(stocktest.Key("wide", "wide_total", "", "path="+strings.Repeat("x", 60)+fmt.Sprint(i)), 1))
	}
	return f
}

// Property: a directory that becomes full, of pages or of inodes, after promfold
// had a look at it is archived for ever after, though whatever is freed is taken
// by others at once, between any two steps: the room for what lived by then was
// kept. What was counted is exposed all the time.
func TestFullAfterTheFirstRound(t *testing.T) {
	for name, options := range map[string]string{"pages": "size=2m", "inodes": "size=4m,nr_inodes=40"} {
		t.Run(name, func(t *testing.T) {
			dir := rig.Tmpfs(t, options)
			g := &glutton{t: t, dir: dir, inodes: name == "inodes"}
			hungry := false
			d := directory.New(dir, directory.Options{Archiving: true})
			defer d.Close()
			a := New(d, Options{Interval: time.Millisecond, step: func(Step) {
				if hungry {
					g.takeAll()
				}
			}})
			round := func() {
				t.Helper()
				ctx, cancel := context.WithTimeout(bg, 20*time.Second)
				defer cancel()
				must(t, a.Once(ctx))
			}
			var workers []interface{ Close() error }
			const each = 4
			for n := range each {
				workers = append(workers, wide(t, dir, fmt.Sprint("native", n), 300, 100), wideStock(t, dir, noPID(n), 300))
			}
			round()
			round() // by now it has seen the sizes of all
			hungry = true
			g.takeAll()
			check := func(when string) {
				t.Helper()
				if got := scrapeOnce(t, dir); got["c_total"] != 2*each {
					t.Fatalf("%s: %v of c_total", when, got["c_total"])
				}
			}
			check("full")
			for i, w := range workers {
				must(t, w.Close())
				round()
				check(fmt.Sprint("after death ", i))
			}
			if stats := a.Stats(); stats.Absorbed != 2*each {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// Property: where there is not room enough for all dead native files at once, they
// are archived a few at a time, since each that is gone makes room.
func TestNativeFilesInBatches(t *testing.T) {
	dir := rig.Tmpfs(t, "size=2m")
	const workers = 10
	for n := range workers {
		must(t, wide(t, dir, fmt.Sprint("native", n), 250, 50).Close())
	}
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	must(t, os.WriteFile(filepath.Join(dir, "filler"), make([]byte, int64(st.Bavail)*4096-56<<10), 0o600))
	stats := mustOnce(t, dir)
	if stats.Absorbed != workers || stats.Commits < 2 {
		t.Errorf("%+v", stats)
	}
	if got := scrapeOnce(t, dir); got["c_total"] != workers {
		t.Errorf("%v of c_total", got["c_total"])
	}
}
