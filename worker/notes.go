package worker

import (
	"log/slog"
	"sync"
)

// notes are log lines that wait for a goroutine that may block: a metric call
// must not, and a log handler may. One line is kept for each kind.
type notes struct {
	mu      sync.Mutex
	written map[string]struct{}
	lines   []line
}

type line struct {
	text string
	args []any
}

// note keeps one line for the log, the first of its kind.
func (s *Store) note(kind, text string, args ...any) {
	n := &s.notes
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.written[kind]; ok {
		return
	}
	if n.written == nil {
		n.written = make(map[string]struct{})
	}
	n.written[kind] = struct{}{}
	n.lines = append(n.lines, line{text, args})
}

// flush writes what was noted.
func (n *notes) flush(l *slog.Logger) {
	n.mu.Lock()
	lines := n.lines
	n.lines = nil
	n.mu.Unlock()
	for _, line := range lines {
		l.Warn(line.text, line.args...)
	}
}
