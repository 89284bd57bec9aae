//go:build attack && linux

package attack_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/promfold/promfold/internal/rig"
)

// holding is what a process has of the things that leak.
type holding struct {
	Goroutines  int
	Descriptors int
	Maps        int // lines of its memory map
	Files       int // of them, those of files in the directory
	RSS         int // KiB
	Virtual     int // KiB
}

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d maps (%d of files), %d MiB",
		h.Goroutines, h.Descriptors, h.Maps, h.Files, h.RSS>>10)
}

// slackMaps is by how much the map of a Go process may grow without a leak: the
// heap's arenas and their tables stay. Files of the directory have none.
const slackMaps = 64

// slackDescriptors is for what comes and goes: a file that the archiver looks at.
const slackDescriptors = 3

// slackGoroutines is for the scrape that asks, and its connection.
const slackGoroutines = 4

// notAbove is an error that names what h has more of than before.
func (h holding) notAbove(before holding) error {
	if h.Goroutines > before.Goroutines+slackGoroutines || h.Descriptors > before.Descriptors+slackDescriptors ||
		h.Files > before.Files || h.Maps > before.Maps+slackMaps {
		return fmt.Errorf("it holds %v; at the start %v", h, before)
	}
	return nil
}

var sizes = regexp.MustCompile(`(?s)VmSize:\s+(\d+) kB.*VmRSS:\s+(\d+) kB`)

// heldBy is what a process holds of a directory, goroutines aside.
func heldBy(pid int, dir string) (h holding, err error) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	descriptors, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return h, err
	}
	maps, err := os.ReadFile(filepath.Join(proc, "maps"))
	if err != nil {
		return h, err
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return h, err
	}
	size := sizes.FindSubmatch(status)
	if size == nil {
		return h, errors.New("no sizes") // it is dead
	}
	h.Virtual, _ = strconv.Atoi(string(size[1]))
	h.RSS, _ = strconv.Atoi(string(size[2]))
	h.Descriptors = len(descriptors)
	h.Maps = strings.Count(string(maps), "\n")
	h.Files = strings.Count(string(maps), dir+"/")
	return h, nil
}

// held is what a sidecar holds.
func held(t testing.TB, s *rig.Sidecar, dir string) holding {
	t.Helper()
	h, err := heldNow(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func heldNow(s *rig.Sidecar, dir string) (holding, error) {
	got, err := s.Scrape()
	if err != nil {
		return holding{}, err
	}
	h, err := heldBy(s.Process().PID, dir)
	h.Goroutines = int(got["promfold_go_goroutines"].Value)
	return h, err
}

// awaitHeld waits until the sidecar holds no more than before, and returns what.
func awaitHeld(t testing.TB, s *rig.Sidecar, dir string, before holding) (h holding) {
	t.Helper()
	rig.Await(t, patience, func() (err error) {
		if h, err = heldNow(s, dir); err != nil {
			return err
		}
		return h.notAbove(before)
	})
	return h
}
