package aggregate_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// record is what the sources come to for others, by way of its bytes.
func record(t testing.TB, r *aggregate.Recorder, sources ...aggregate.Source) *aggregate.Archive {
	t.Helper()
	made, unread := r.Record(sources)
	if len(unread) > 0 {
		t.Fatal(unread)
	}
	again, err := aggregate.DecodeArchive(made.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func recordOf(t testing.TB, sources ...aggregate.Source) *aggregate.Archive {
	t.Helper()
	return record(t, aggregate.NewRecorder(at(noon)), sources...)
}

// host is a host of the number, as others know it: by its record.
func host(n int, state mmapstore.State, r *aggregate.Archive) aggregate.Source {
	meta := aggregate.Meta{Name: fmt.Sprint("host ", n), State: state, Delayed: true}
	meta.ID[0], meta.ID[15] = byte(n), 'h'
	return r.As(meta)
}

// shown is all that a merge shows, created timestamps and help as well, and what it says
// of conflicts. Whose bounds differ is known to nobody else once a record has them all.
func shown(r *aggregate.Result) string {
	var lines []string
	for _, f := range r.Families {
		lines = append(lines, fmt.Sprint(f.Metric(), f.Spelling))
	}
	for _, c := range r.Conflicts {
		if c.Kind != aggregate.BoundsConflict {
			lines = append(lines, fmt.Sprint(c))
		}
	}
	return strings.Join(lines, "\n")
}

// Property: as long as only values change, records share their layout and differ in words
// alone; what came, went, died or was deleted makes another. Decoded and encoded
// again, a record is the same.
func TestRecordsShareTheirLayout(t *testing.T) {
	a, b := process(1).counter("c", 1, 0).gauge("g", mmapstore.Max, 3), process(2).histogram("h", []float64{1}, 2, 1, 0)
	r := aggregate.NewRecorder(at(noon))
	all := []*fake{a, b}
	last, _ := r.Record(sources(all))
	kept, words := last, slices.Clone(last.Words)
	for what, change := range map[string]func(){
		"nothing":  func() {},
		"a count":  func() { a.words[0]++ },
		"a float":  func() { a.words[1] = float(0.5) },
		"a gauge":  func() { a.words[3] = float(-7) },
		"a bucket": func() { b.words[2] += 3 },
	} {
		before := slices.Clone(last.Words)
		change()
		next, _ := r.Record(sources(all))
		if !sameLayout(next, last) {
			t.Errorf("%s makes another layout", what)
		}
		if slices.Equal(next.Words, before) != (what == "nothing") || !slices.Equal(last.Words, before) {
			t.Errorf("%s: words %v after %v, which are %v now", what, next.Words, before, last.Words)
		}
		last = next
	}
	for _, c := range []struct {
		what   string
		change func()
	}{
		{"a series", func() { a.counter("d", 1, 0) }},
		{"a process", func() { all = append(all, process(3).counter("c", 1, 0)) }},
		{"a deletion", func() { a.remove(0, 5) }},
		{"a return", func() { a.resume(0, 6) }},
		{"a death", func() { b.dead() }},
		{"one who left", func() { all = all[1:] }},
	} {
		c.change()
		next, _ := r.Record(sources(all))
		if sameLayout(next, last) {
			t.Errorf("after %s the layout is the same", c.what)
		}
		again, err := aggregate.DecodeArchive(next.Encode())
		if err != nil || !bytes.Equal(again.Encode(), next.Encode()) {
			t.Errorf("after %s, decoded and encoded again, a record is another: %v", c.what, err)
		}
		last = next
	}
	if !slices.Equal(kept.Words, words) {
		t.Error("a record was changed by later ones")
	}
}

// Property: what has nothing to say is not in a record: gauges of the dead in modes that
// are of the living.
func TestRecordLeavesOutWhatNobodyShows(t *testing.T) {
	r := recordOf(t, process(1).gauge("g", mmapstore.LiveSum, 1).dead(), process(2).counter("c", 1, 0))
	if len(r.Schema.Series) != 1 || len(r.Schema.Families) != 2 {
		t.Errorf("%d series, %d families", len(r.Schema.Series), len(r.Schema.Families))
	}
}

// Property: of two gauges of one identity on two hosts of one name the younger is shown,
// whatever else had that identity before.
func TestRecordKnowsBirths(t *testing.T) {
	one := recordOf(t, process(1).as("a").gauge("g", mmapstore.All, 1).dead(), process(5).as("a").gauge("g", mmapstore.All, 5).dead())
	two := recordOf(t, process(3).as("a").gauge("g", mmapstore.All, 3).dead())
	for _, state := range []mmapstore.State{mmapstore.Alive, mmapstore.Dead} {
		if got := samples(t, mergeAll(t, host(1, state, one), host(2, state, two)).Metrics()); got != `g{pid="a"} 5` {
			t.Error(got)
		}
	}
}

// Property: of two hosts that publish late, the set of a gauge that was made last is the
// latest, whichever publication the reader saw first, and whatever it had seen before.
func TestLatestOfLatePublications(t *testing.T) {
	for _, mode := range []mmapstore.Mode{mmapstore.Latest, mmapstore.LiveLatest} {
		now := int64(0)
		m := aggregate.NewMerger(func() time.Time { return time.Unix(0, second(now)) })
		made := func(n int, v float64, set int64) aggregate.Source {
			r := recordOf(t, process(int64(n)).gauge("g", mode, v, set))
			return host(n, mmapstore.Alive, r)
		}
		for _, look := range []struct {
			now  int64
			all  []aggregate.Source
			want string
		}{
			{100, []aggregate.Source{made(1, 1, 10), made(2, 2, 5)}, "g 1"},
			{170, []aggregate.Source{made(1, 1, 10), made(2, 4, 160)}, "g 4"},
			{200, []aggregate.Source{made(1, 3, 150), made(2, 4, 160)}, "g 4"}, // made before, seen after
			{210, []aggregate.Source{made(2, 4, 160), made(1, 5, 161)}, "g 5"},
			{220, []aggregate.Source{made(2, 6, 900), made(1, 5, 161)}, "g 6"}, // by a clock that is ahead
		} {
			now = look.now
			if got := samples(t, mergeBy(t, m, look.all...).Metrics()); got != look.want {
				t.Errorf("%s at %d: %s, want %s", mode, now, got, look.want)
			}
		}
	}
}
