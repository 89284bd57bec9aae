//go:build linux

package main

import (
	"fmt"
	"strings"
)

// table is the rows in Markdown.
func table(rows []*row) string {
	var b strings.Builder
	b.WriteString("| path | target | measured | spread | promfold | peer | reached |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		b.WriteString(r.line() + "\n")
	}
	return b.String()
}

func (r *row) line() string {
	o := r.outcome
	if o == nil {
		return fmt.Sprintf("| %s | %s | | | | | %s |", r.path, r.goal, r.reached())
	}
	spread := ""
	if o.low != o.high {
		spread = number(o.low, "to ") + number(o.high, o.unit)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |",
		r.path, r.goal, number(o.value, o.unit), spread, o.ours, o.theirs, r.reached())
}
