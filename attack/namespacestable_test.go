//go:build attack && linux

package attack_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var updateTable = flag.Bool("update-liveness", false, "write the table in docs/liveness.md anew")

const (
	livenessDoc = "../docs/liveness.md"
	tableBegin  = "<!-- table: written by TestNamespacesAndUsers -->"
	tableEnd    = "<!-- end of the table -->"
)

// seatRow names a case.
type seatRow struct{ users, seats string }

// livenessTable is the table in the docs. A line stands for each kind of outcome
// among the users' cases; seats that come to the same share it.
type livenessTable struct {
	doc   string
	lines [][]string
}

func readLivenessTable(t *testing.T) *livenessTable {
	t.Helper()
	b, err := os.ReadFile(livenessDoc)
	if err != nil {
		t.Fatal(err)
	}
	table := &livenessTable{doc: string(b)}
	if *updateTable {
		return table
	}
	_, rest, _ := strings.Cut(table.doc, tableBegin)
	rest, _, _ = strings.Cut(rest, tableEnd)
	for line := range strings.Lines(rest) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		table.lines = append(table.lines, cells)
	}
	return table
}

// find is what the docs say of a case: for each client whether it is archived. It
// is nil if they say nothing.
func (l *livenessTable) find(row seatRow) []seatOutcome {
	for _, cells := range l.lines {
		if len(cells) != 5 || cells[0] != row.users || !slices.Contains(strings.Split(cells[1], "<br>"), row.seats) && cells[1] != "any" {
			continue
		}
		var outcomes []seatOutcome
		for _, cell := range []string{cells[2], cells[3], cells[3]} {
			o := seatOutcome{dead: cell}
			if strings.HasSuffix(cell, "; archived") {
				o.dead = "archived"
			}
			outcomes = append(outcomes, o)
		}
		return outcomes
	}
	return nil
}

// check holds the table in the docs against what was found, or writes it.
func (l *livenessTable) check(t *testing.T, rows map[seatRow][]seatOutcome) {
	t.Helper()
	text := renderLiveness(t, rows)
	t.Logf("%d cases, each with 3 clients; archived while alive: 0; lost: 0; doubled: 0\n%s", len(rows), text)
	before, rest, ok := strings.Cut(l.doc, tableBegin)
	was, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("no place for a table in %s", livenessDoc)
	}
	if *updateTable {
		doc := before + tableBegin + "\n" + text + tableEnd + after
		if err := os.WriteFile(livenessDoc, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	// With -run of some of the cases, those alone are compared, each by itself.
	if len(rows) == caseCount() && strings.TrimSpace(was) != strings.TrimSpace(text) {
		t.Errorf("%s says (-args -update-liveness writes it anew):\n%s", livenessDoc, was)
	}
}

func caseCount() (n int) {
	for _, r := range relations {
		if r.alike {
			n++
		} else {
			n += len(seatings)
		}
	}
	return n
}

func renderLiveness(t *testing.T, rows map[seatRow][]seatOutcome) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| users and directory | pid namespaces | native: alive, then dead | Python and Ruby: alive, then dead | warns |\n|---|---|---|---|---|\n")
	for _, r := range relations {
		var order []string
		seats := make(map[string][]string)
		for _, s := range seatings {
			outcomes, ok := rows[seatRow{r.name, s.name}]
			if !ok {
				continue
			}
			if outcomes[1] != outcomes[2] {
				t.Errorf("%s, %s: Python's files come to %+v, Ruby's to %+v", r.name, s.name, outcomes[1], outcomes[2])
			}
			cells := fmt.Sprintf("%s | %s | %s", outcomes[0].cell(), outcomes[1].cell(), saidByAny(outcomes))
			if seats[cells] == nil {
				order = append(order, cells)
			}
			seats[cells] = append(seats[cells], s.name)
		}
		for _, cells := range order {
			where := strings.Join(seats[cells], "<br>")
			if len(seats[cells]) == len(seatings) {
				where = "any"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, where, cells)
		}
	}
	return b.String()
}

// cell is an outcome in a few words.
func (o seatOutcome) cell() string {
	if o.alive == "" {
		return o.dead
	}
	return o.alive + "; " + o.dead
}

func saidByAny(outcomes []seatOutcome) string {
	var all []string
	for _, o := range outcomes {
		for text := range strings.SplitSeq(o.said, "; ") {
			if text != "" && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}
