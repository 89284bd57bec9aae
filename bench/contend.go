//go:build linux

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// longer makes slices of contending goroutines longer: the system takes
	// milliseconds to give a core to each of them.
	longer = 10
	// enough is how much of a slice goroutines must have run at the same time.
	enough = 0.9
)

// together is a turn of goroutines that begin when all of them run. It counts if
// they contended: two goroutines that run one after the other, or that share a core,
// wait for one another instead, and each of them works as fast as alone.
func together(each ...loop) turn {
	return func(n int) (time.Duration, bool) {
		var running atomic.Int32
		var done sync.WaitGroup
		spans := make([]span, len(each))
		for i, run := range each {
			done.Go(func() {
				runtime.LockOSThread() // whose processor time is told
				defer runtime.UnlockOSThread()
				running.Add(1)
				for int(running.Load()) < len(each) { // a Gosched would run the other here
				}
				spans[i] = spanOf(func() { run(n) })
			})
		}
		done.Wait()
		return contended(spans)
	}
}

// span is when a goroutine worked, and how much of that it had a processor.
type span struct {
	began, ended time.Time
	onCPU        time.Duration
}

func spanOf(work func()) span {
	before, began := threadTime(), time.Now()
	work()
	ended := time.Now()
	return span{began, ended, threadTime() - before}
}

// threadTime is the processor time of this thread; 0 if the system does not tell,
// with which no span counts.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// contended is how long the longest span took, and whether all spans were at the
// same time, each on a core of its own.
func contended(spans []span) (took time.Duration, counts bool) {
	first, last := spans[0], spans[0] // to begin, to end
	latest, earliest := spans[0].began, spans[0].ended
	counts = true
	for _, s := range spans {
		d := s.ended.Sub(s.began)
		took = max(took, d)
		counts = counts && float64(s.onCPU) >= enough*float64(d)
		if s.began.Before(first.began) {
			first = s
		}
		if s.ended.After(last.ended) {
			last = s
		}
		if s.began.After(latest) {
			latest = s.began
		}
		if s.ended.Before(earliest) {
			earliest = s.ended
		}
	}
	whole, shared := last.ended.Sub(first.began), earliest.Sub(latest)
	return took, counts && float64(shared) >= enough*float64(whole)
}
