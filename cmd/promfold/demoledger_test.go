//go:build unix

package main

import "testing"

// A ledger balances only if all that was acknowledged is exposed, and no more
// than kills can have left unacknowledged.
func TestLedgerBalances(t *testing.T) {
	for _, c := range []struct {
		acknowledged, exposed, bound uint64
		want                         bool
	}{
		{100, 100, 0, true},
		{100, 110, 10, true},
		{100, 99, 10, false},
		{100, 111, 10, false},
	} {
		l := ledger{acknowledged: c.acknowledged, exposed: c.exposed, bound: c.bound}
		if l.balanced() != c.want {
			t.Errorf("%v: balanced %v", &l, !c.want)
		}
	}
}

// Each broken promise is a fault; a good scrape is none.
func TestAudit(t *testing.T) {
	good := sight{requests: 100, batches: 10}
	for name, c := range map[string]struct {
		next                  sight
		acknowledged, batches uint64
		faults                int
	}{
		"good":           {sight{requests: 120, batches: 12}, 115, 11, 0},
		"lost":           {sight{requests: 120, batches: 12}, 121, 12, 1},
		"lost durations": {sight{requests: 120, batches: 12}, 120, 13, 1},
		"down":           {sight{requests: 99, batches: 10}, 0, 0, 1},
		"durations down": {sight{requests: 100, batches: 9}, 0, 0, 1},
		"dropped":        {sight{requests: 100, batches: 10, dropped: 1}, 0, 0, 1},
	} {
		var a audit
		a.take(good, 0, 0)
		a.take(c.next, c.acknowledged, c.batches)
		if len(a.faults) != c.faults {
			t.Errorf("%s: %v", name, a.faults)
		}
	}
}
