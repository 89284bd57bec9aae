package foreign_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/promfold/promfold/redisstore/foreign"
	"github.com/promfold/promfold/redisstore/foreign/foreigntest"
)

// Property: a field that is left out of every read is named once, and again if it was
// well in between; it is counted each time. So is a kind of defect, but for torn reads,
// which are nobody's fault.
func TestLedgerSaysOnce(t *testing.T) {
	var log bytes.Buffer
	l := foreign.NewLedger("test", slog.New(slog.NewTextHandler(&log, nil)))
	read := func(bad ...string) (lines int) {
		log.Reset()
		r := l.Begin()
		for _, field := range bad {
			r.Bad(foreign.Where{Key: "k", Field: field}, foreign.BadValue, "")
		}
		r.Defect(foreign.Where{Key: "k"}, foreign.Torn)
		r.Close()
		return strings.Count(log.String(), "\n")
	}
	for i, c := range []struct {
		bad   []string
		lines int
	}{{[]string{"a"}, 1}, {[]string{"a"}, 0}, {[]string{"a", "b"}, 1}, {nil, 0}, {[]string{"a"}, 1}} {
		if lines := read(c.bad...); lines != c.lines {
			t.Errorf("read %d: %d lines, not %d: %s", i, lines, c.lines, log.String())
		}
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i))
	}
	if lines := read(many...); lines > 20 {
		t.Errorf("%d lines of one read", lines)
	}
	counts := foreigntest.Counts(t, l.Collectors())
	if counts["value"] != 5+1000 || counts["torn"] != 6 {
		t.Errorf("counted %v", counts)
	}
	r := l.Begin()
	r.Bad(foreign.Where{Key: "k"}, foreign.BadValue, "")
	if again := foreigntest.Counts(t, l.Collectors()); again["value"] != counts["value"] {
		t.Error("a read that failed is counted")
	}
	defect := func() int {
		log.Reset()
		r := l.Begin()
		r.Defect(foreign.Where{Key: "k"}, foreign.Duplicate)
		r.Close()
		return strings.Count(log.String(), "\n")
	}
	if first, again := defect(), defect(); first != 1 || again != 0 {
		t.Errorf("%d lines, then %d", first, again)
	}
}
