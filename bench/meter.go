//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// meter is a command whose time and memory are told when it has ended. A process
// of its own starts it: what the kernel calls the peak of a process begins with the
// memory of who started it, and ours is large.
type meter struct {
	*exec.Cmd
	file string
}

func (l *lab) metered(program string, args ...string) *meter {
	l.meters++
	m := &meter{file: filepath.Join(l.root, fmt.Sprintf("meter-%d", l.meters))}
	m.Cmd = again("measured", append([]string{m.file, program}, args...)...)
	return m
}

// measured is the process in between. It hands on its standard streams.
func measured(args []string) error {
	cmd := exec.Command(args[1], args[2:]...) //nolint:gosec // G204: what the bench asks for
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	took, err := timed(cmd.Run)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("the system does not tell what the process used")
	}
	return os.WriteFile(args[0], fmt.Appendf(nil, "%d %d", took, int64(usage.Maxrss)<<10), 0o600) //nolint:unconvert // types differ between processors
}

// read is the time of the ended command, and its peak memory in bytes with the
// pages of files that it had mapped.
func (m *meter) read() (took time.Duration, peakRSS int64, err error) {
	text, err := os.ReadFile(m.file)
	if err == nil {
		_, err = fmt.Sscan(string(text), &took, &peakRSS)
	}
	return took, peakRSS, err
}
