package pydb

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/promfold/promfold/internal/fixture"
	"github.com/promfold/promfold/mmapstore/stock"
)

// Property: of a name, type, mode and process are told as the clients do; what
// the clients do not write is not ours.
func TestNames(t *testing.T) {
	const spaced, compacted = `["x", "x", {}]`, `["x","x",[],[]]`
	for _, row := range []struct {
		base, key string // an empty key: the file is empty
		identity  string
		pid       int
		foreign   bool
		live      bool
	}{
		{"counter_123.db", "", "123", 123, false, false},
		{"counter_123.db", spaced, "123", 123, false, false},
		{"histogram_0.db", "", "0", 0, false, false},
		{"summary_99999999999999999999.db", "", "99999999999999999999", 0, false, false},
		{"counter_worker_1.db", "", "worker_1", 0, false, false},
		{"gauge_all_node_a_7.db", spaced, "node_a_7", 0, false, false},
		{"gauge_liveall_1.db", spaced, "1", 1, false, true},
		{"gauge_livesum_1.db", spaced, "1", 1, false, true},
		{"gauge_livemax_1.db", spaced, "1", 1, false, true},
		{"gauge_livemin_1.db", spaced, "1", 1, false, true},
		{"gauge_livemostrecent_1.db", spaced, "1", 1, false, true},
		{"gauge_mostrecent_1.db", spaced, "1", 1, false, false},
		{"gauge_latest_1.db", spaced, "1", 1, false, false},
		{"gauge_sum_1.db", spaced, "1", 1, false, false},
		{"gauge_max_1.db", spaced, "1", 1, false, false},
		{"gauge_min_1.db", spaced, "1", 1, false, false},
		// The content tells whether a number at the end is the file's.
		{"counter_worker-0.db", `["x", "x", [], []]`, "worker-0", 0, false, false},
		{"counter_worker-0.db", compacted, "worker", 0, false, false},
		{"counter_123-0.db", compacted, "123", 123, false, false},
		{"counter_123-17.db", spaced, "123-17", 0, false, false},
		{"gauge_all_process_id_9-0.db", compacted, "process_id_9", 9, false, false},
		{"gauge_all_process_id_9-0.db", spaced, "process_id_9-0", 0, false, false},
		{"gauge_livesum_worker_id_0-1.db", compacted, "worker_id_0", 0, false, true},
		{"counter_puma_master-0.db", compacted, "puma_master", 0, false, false},
		{"counter_a-1_b-2-3_c-x.db", compacted, "a_b-2_c-x", 0, false, false},
		{"counter_process_id_x.db", compacted, "process_id_x", 0, false, false},
		{"counter_\xff.db", spaced, "\uFFFD", 0, false, false},
		{"counter.db", spaced, "", 0, true, false},
		{"histogram.db", `["x", "x_sum", {}]`, "", 0, true, false},
		{"gauge_latest.db", spaced, "", 0, true, false},
		{"gauge_max.db", spaced, "", 0, true, false},
		{"gauge_min.db", "", "", 0, true, false},
	} {
		if !IsFileName(row.base) {
			t.Errorf("%s is not ours", row.base)
			continue
		}
		path := filepath.Join(t.TempDir(), "renamed.db")
		f := fixture.Create(t, path, 4096)
		if row.key != "" {
			f.Add(row.key, 1)
		}
		r := open(t, path, row.base)
		if err := r.Refresh(); err != nil {
			t.Fatalf("%s: %v", row.base, err)
		}
		if r.Identity() != row.identity || r.PID() != row.pid || r.Foreign() != row.foreign || r.LiveOnly() != row.live ||
			r.Empty() != (row.key == "") || r.Path() != path || r.File().Name() != path {
			t.Errorf("%s, %q: identity %q, pid %d, foreign %v, live %v, empty %v",
				row.base, row.key, r.Identity(), r.PID(), r.Foreign(), r.LiveOnly(), r.Empty())
		}
	}
	for _, base := range []string{
		"", ".db", "counter", "counter_.db", "counter_1", "counter_1.db.tmp", "counter_1.bin", "exemplar_1-0.db", "info_1.db",
		"gauge_1.db", "gauge_all.db", "gauge_all_.db", "gauge_best_1.db", "gauge_livelatest_1.db", "gauge__1.db", "summary.db",
		"Counter_1.db", "worker-1.pfm", "gauge_liveall.db", ".counter_1.db", "xcounter_1.db",
	} {
		if IsFileName(base) {
			t.Errorf("%q is ours", base)
		}
		if r, err := Open(base, base, stock.Options{}); err == nil {
			r.Close()
			t.Errorf("%q was opened", base)
		}
	}
}

// Property: a time in the file is Unix seconds, without loss of the microseconds
// that they have; what is no time is as old as can be, and "no time" the newest.
func TestTimes(t *testing.T) {
	for seconds, want := range map[float64]int64{
		0: 0, -1: 0, math.Inf(-1): 0, math.Inf(1): math.MaxInt64, 1e300: math.MaxInt64, 1: 1e9, 0.5: 5e8,
		9223372036: 9223372036e9, 9223372037: math.MaxInt64,
	} {
		if got := nanoseconds(seconds); got != want {
			t.Errorf("%v s are %d ns, want %d", seconds, got, want)
		}
	}
	if got := nanoseconds(math.NaN()); got != 0 {
		t.Errorf("NaN s are %d ns", got)
	}
	if got := nanoseconds(1795188622.8698986) - 1795188622869898600; got < -200 || got > 200 {
		t.Errorf("wrong by %d ns", got)
	}
}
