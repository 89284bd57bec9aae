//go:build unix

package main

import (
	"fmt"
	"os"
)

// terminalProgress is a line on stderr that is refreshed, or nil where stderr is
// no terminal: then the log tells.
func terminalProgress(dir string) func(done, total int) {
	if !isTerminal(os.Stderr) {
		return nil
	}
	return func(done, total int) {
		end := ""
		if done == total {
			end = "\n"
		}
		fmt.Fprintf(os.Stderr, "\r%s: archived %d of %d files of dead processes%s", dir, done, total, end)
	}
}
