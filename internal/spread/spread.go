// Package spread shares work out among the processors.
package spread

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls do with every index below n, on as many goroutines as there are
// processors, and waits for all. What do panics with, Each does not survive.
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
	for range workers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
}
