//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/promfold/promfold/internal/rig"
)

// exposition is an answer: its samples, and the types of those families of which it
// tells them.
type exposition struct {
	rig.Samples
	types map[string]string
}

// parse reads an answer. It refuses one that exposes a series twice, which would
// pass for one that does so once.
func parse(text string) (*exposition, error) {
	samples, err := rig.Parse(text)
	if err != nil {
		return nil, err
	}
	types, seen, quantiles := make(map[string]string), make(map[string]bool), 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if kind, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(kind, " ")
			types[name] = kind
		}
		if line == "" || line[0] == '#' {
			continue
		}
		series := line[:max(strings.LastIndexByte(line, ' '), 0)]
		if seen[series] {
			return nil, fmt.Errorf("%s is exposed twice", series)
		}
		seen[series] = true
		if strings.Contains(series, `quantile="`) {
			quantiles++ // which are no samples of rig's
		}
	}
	if n := len(seen) - quantiles; n != len(samples) { // labels in another order, or a bucket that the parser had to add
		return nil, fmt.Errorf("%d samples are exposed, of %d series", n, len(samples))
	}
	return &exposition{samples, types}, nil
}

// sameTypes fails if both sides tell a family's type, and not the same.
func (e *exposition) sameTypes(theirs *exposition) error {
	for name, kind := range e.types {
		told, ok := theirs.types[name]
		if ok && told != kind && told != "untyped" && kind != "untyped" {
			return fmt.Errorf("%s is a %s here, a %s at the peer", name, kind, told)
		}
	}
	return nil
}
