// Package spread shares work out among the processors.
package spread

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls do with every index below n, on as many goroutines as there are
// processors, and waits for all. If do panics, so does Each, when the others are done.
func Each(n int, do func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	var panicked atomic.Pointer[any]
	for range workers {
		all.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panicked.Store(&r)
				}
			}()
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
	if r := panicked.Load(); r != nil {
		panic(*r) // on the goroutine whose caller knows what to do about it
	}
}
