//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// profileTime is how long our side is profiled.
const profileTime = 5 * time.Second

// profiled runs something of ours and prints where the time went.
func (l *lab) profiled(what string, run func() error) error {
	path := filepath.Join(l.root, "cpu.pprof")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = run()
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	top := exec.Command("go", "tool", "pprof", "-top", "-nodecount=30", path)
	out, err := top.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w\n%s", err, out)
	}
	fmt.Printf("Profile of %s:\n%s\n", what, out)
	return nil
}

// repeatedly does something for the time of a profile.
func (l *lab) repeatedly(once func()) func() error {
	return func() error {
		for began := time.Now(); time.Since(began) < of(l, profileTime, profileTime/10); {
			once()
		}
		return nil
	}
}

// profileScrapes profiles warm scrapes of an exporter in this process.
func (l *lab) profileScrapes(what, dir string) error {
	h := inProcess(dir)
	defer h.close()
	for range 3 {
		h.scrape()
	}
	return l.profiled(what, l.repeatedly(h.scrape))
}
