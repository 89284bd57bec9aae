//go:build linux

package rig

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// Faults are what is wrong, told by goroutines that are not the test's own.
type Faults struct {
	mu    sync.Mutex // guards lines
	lines []string
}

// Add notes a fault, and when.
func (f *Faults) Add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// Report fails the test with as many of them as anybody wants to read.
func (f *Faults) Report(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, line := range f.lines {
		if i == 10 {
			t.Errorf("and %d more", len(f.lines)-i)
			break
		}
		t.Error(line)
	}
}
