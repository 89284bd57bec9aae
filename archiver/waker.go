//go:build unix

package archiver

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

// waker lets an archiver sleep between rounds. Removals and renames in the
// directory end the sleep early, since they are what others do to files; a
// death makes no event, so the interval does the most. Nothing depends on
// events: they get lost.
type waker struct {
	path    string
	watcher *fsnotify.Watcher // nil where there is no inotify to be had
}

func newWaker(path string) *waker {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		watcher = nil
	}
	return &waker{path: path, watcher: watcher}
}

// watch follows the directory that the path leads to now.
func (w *waker) watch() {
	if w.watcher != nil {
		_ = w.watcher.Add(w.path) // the interval is enough
	}
}

func (w *waker) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
}

// settle is how long events are gathered before they end a sleep: workers are
// born and die in crowds.
const settle = 200 * time.Millisecond

// wait returns after the interval, soon after an event, or when ctx ends.
func (w *waker) wait(ctx context.Context, interval time.Duration) {
	end := time.NewTimer(interval)
	defer end.Stop()
	var events chan fsnotify.Event
	var failures chan error
	if w.watcher != nil {
		events, failures = w.watcher.Events, w.watcher.Errors
	}
	shortened := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case e := <-events:
			if !shortened && e.Has(fsnotify.Create|fsnotify.Rename|fsnotify.Remove) {
				end.Reset(min(settle, interval))
				shortened = true
			}
		case _, ok := <-failures: // an overflow, say: the interval is enough
			if !ok {
				return
			}
		}
	}
}
