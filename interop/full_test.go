//go:build interop && linux

package interop_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/promfold/promfold/internal/rig"
	"github.com/promfold/promfold/internal/stocktest"
)

// fill lets processes be born, count and die until the file system is full. The
// first ones have a gauge of the living, too. It returns what was counted.
func fill(t *testing.T, dir string, gauges int) (total float64) {
	t.Helper()
	for n := range 10_000 {
		pid := fmt.Sprint(5_000_000 + n) // which no process can have
		if n < gauges {
			isFull(t, write(filepath.Join(dir, "gauge_livesum_"+pid+".db"), stocktest.Key("g", "g", ""), 1))
		}
		if isFull(t, write(filepath.Join(dir, "counter_"+pid+".db"), stocktest.CounterKey, 1)) {
			return total
		}
		total++
	}
	t.Fatal("never full")
	return 0
}

func write(path, key string, value float64) error {
	f, err := stocktest.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Set(key, value, 0), f.Close())
}

func isFull(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return err != nil
}

// Property: a directory in which there is no inode or no page left, where
// promfold never ran, is archived: with what dead gauges free, or with the archive
// on another file system. Where there is neither, it says what helps, and nothing
// is lost.
func TestFullDirectory(t *testing.T) {
	for _, c := range []struct {
		name, options string
		gauges        int
		elsewhere     bool
	}{
		{"inodes", "size=10m,nr_inodes=60", 5, false},
		{"pages", "size=256k", 5, false},
		{"inodes, archive elsewhere", "size=10m,nr_inodes=60", 0, true},
		{"pages, archive elsewhere", "size=256k", 0, true},
		{"inodes, no way out", "size=10m,nr_inodes=60", 0, false},
		{"pages, no way out", "size=256k", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := rig.Tmpfs(t, c.options)
			want := fill(t, dir, c.gauges)
			var flags []string
			if c.elsewhere {
				flags = append(flags, "--archive.dir="+t.TempDir())
			}
			once := append([]string{"archive", "--once", "--archive.interval=100ms", "--multiproc.dir=" + dir}, flags...)
			out, err := exec.Command(promfold(), once...).CombinedOutput()
			wayOut := c.gauges > 0 || c.elsewhere
			if wayOut != (err == nil) || !wayOut && !strings.Contains(string(out), "--archive.dir") {
				t.Errorf("%v: %s", err, out)
			}
			s := rig.StartSidecar(t, promfold(), rig.Seat{}, dir, append(flags, "--no-archive")...)
			if got := s.Scraped(t).Sum("c_total"); got != want {
				t.Errorf("%v counted, %v exposed", want, got)
			}
			s.Stop(t)
			if left, _ := stockFiles(dir); wayOut && left > 0 {
				t.Errorf("%d files left", left)
			}
		})
	}
}
